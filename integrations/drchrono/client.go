package drchrono

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// id reads identifiers that DrChrono writes as a number in one object and as
// a string in another.
type id string

// UnmarshalJSON implements json.Unmarshaler.
func (i *id) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" {
		s = ""
	}
	*i = id(s)
	return nil
}

// decimal reads amounts, numbers and strings alike, without a float.
type decimal string

// UnmarshalJSON implements json.Unmarshaler.
func (d *decimal) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" {
		s = ""
	}
	*d = decimal(strings.TrimSpace(s))
	return nil
}

type lineItem struct {
	ID          id      `json:"id"`
	Appointment id      `json:"appointment"`
	Patient     id      `json:"patient"`
	Doctor      id      `json:"doctor"`
	Code        string  `json:"code"`
	Price       decimal `json:"price"`
	Billed      decimal `json:"billed"`
	Allowed     decimal `json:"allowed"`
	BalancePt   decimal `json:"balance_pt"`
	ServiceDate string  `json:"service_date"`
	PostedDate  string  `json:"posted_date"`
	UpdatedAt   string  `json:"updated_at"`
}

type appointment struct {
	ID             id     `json:"id"`
	Patient        id     `json:"patient"`
	Doctor         id     `json:"doctor"`
	ScheduledTime  string `json:"scheduled_time"`
	Status         string `json:"status"`
	PaymentProfile string `json:"payment_profile"`
	Deleted        bool   `json:"deleted_flag"`
}

type doctor struct {
	ID        id     `json:"id"`
	Timezone  string `json:"timezone"`
	Specialty string `json:"specialty"`
}

type insurance struct {
	Company     string `json:"insurance_company"`
	PayerID     string `json:"insurance_payer_id"`
	IDNumber    string `json:"insurance_id_number"`
	GroupNumber string `json:"insurance_group_number"`
	PlanName    string `json:"insurance_plan_name"`
	Self        *bool  `json:"is_subscriber_the_patient"`
}

type patient struct {
	ID         id         `json:"id"`
	FirstName  string     `json:"first_name"`
	LastName   string     `json:"last_name"`
	BirthDate  string     `json:"date_of_birth"`
	Gender     string     `json:"gender"`
	Email      string     `json:"email"`
	CellPhone  string     `json:"cell_phone"`
	HomePhone  string     `json:"home_phone"`
	State      string     `json:"state"`
	Zip        string     `json:"zip_code"`
	Language   string     `json:"preferred_language"`
	DisableSMS bool       `json:"disable_sms_messages"`
	CoPay      decimal    `json:"copay"`
	Profile    string     `json:"patient_payment_profile"`
	Primary    *insurance `json:"primary_insurance"`
	Secondary  *insurance `json:"secondary_insurance"`
	Tertiary   *insurance `json:"tertiary_insurance"`
	RespName   string     `json:"responsible_party_name"`
	RespEmail  string     `json:"responsible_party_email"`
	RespPhone  string     `json:"responsible_party_phone"`
}

type deletion struct {
	LineItem id `json:"billing_line_item_id"`
}

type eligibilityCheck struct {
	Appointment id              `json:"appointment"`
	Level       string          `json:"cob_level"`
	QueryDate   string          `json:"query_date"`
	Eligibility string          `json:"eligibility"`
	Service     string          `json:"request_service_type"`
	Details     json.RawMessage `json:"coverage_details"`
}

type patientPayment struct {
	ID          id      `json:"id"`
	Amount      decimal `json:"amount"`
	Trace       string  `json:"trace_number"`
	LineItem    id      `json:"line_item"`
	Appointment id      `json:"appointment"`
	CreatedAt   string  `json:"created_at"`
}

// newPayment is the body of POST /api/patient_payments.
type newPayment struct {
	Patient     json.Number `json:"patient"`
	Appointment json.Number `json:"appointment,omitempty"`
	LineItem    json.Number `json:"line_item,omitempty"`
	Doctor      json.Number `json:"doctor,omitempty"`
	Amount      json.Number `json:"amount"`
	Method      string      `json:"payment_method"`
	Type        string      `json:"payment_transaction_type"`
	Received    string      `json:"received_date"`
	Trace       string      `json:"trace_number"`
	Notes       string      `json:"notes,omitempty"`
}

// page is a list answer: the schema calls the array data, live answers results.
type page[T any] struct {
	Next    *string `json:"next"`
	Results []T     `json:"results"`
	Data    []T     `json:"data"`
}

func (p page[T]) items() []T {
	if len(p.Results) > 0 {
		return p.Results
	}
	return p.Data
}

// maxPages bounds a listing; what needs more is a mistake.
const maxPages = 200

// list reads a listing from its first page to its end.
func list[T any](ctx context.Context, c *transport.Client, op, path string, q url.Values) ([]T, error) {
	var all []T
	for range maxPages {
		var p page[T]
		if err := get(ctx, c, op, path, q, &p); err != nil {
			return nil, err
		}
		all = append(all, p.items()...)
		if p.Next == nil || *p.Next == "" {
			return all, nil
		}
		path, q = *p.Next, nil
	}
	return nil, &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: op, Message: "the listing does not end"}
}

// get reads one object. DrChrono answers some reads with a redirect, which
// has to be followed with the same method and headers.
func get(ctx context.Context, c *transport.Client, op, path string, q url.Values, into any) error {
	for range 3 {
		res, err := c.Do(ctx, transport.Request{Op: op, Method: http.MethodGet, Path: path, Query: q}, nil)
		if err != nil {
			return err
		}
		if res.Status < 300 {
			dec := json.NewDecoder(bytes.NewReader(res.Body))
			if err := dec.Decode(into); err != nil {
				return &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: op, Status: res.Status, Message: "the answer is not the JSON that was expected"}
			}
			return nil
		}
		path, q = res.Header.Get("Location"), nil
	}
	return &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: op, Message: "too many redirects"}
}

// classify reads DrChrono's errors. Their texts may repeat what was sent, so
// only the names of the fields are kept.
func classify(now func() time.Time) func(status int, h http.Header, body []byte) transport.Failure {
	return func(status int, _ http.Header, body []byte) transport.Failure {
		switch status {
		case http.StatusTooManyRequests:
			t := now()
			// The count starts anew at the top of the clock hour.
			return transport.Failure{Kind: integrations.KindRateLimited, RetryAfter: t.Truncate(time.Hour).Add(time.Hour).Sub(t), Message: "the application's hourly limit is used up"}
		case http.StatusForbidden:
			return transport.Failure{Kind: integrations.KindUnauthorized, Message: "the token lacks a scope, or the user a permission inside DrChrono"}
		case http.StatusBadRequest:
			var fields map[string]json.RawMessage
			if json.Unmarshal(body, &fields) == nil {
				var names []string
				for f := range fields {
					if len(f) < 40 {
						names = append(names, f)
					}
				}
				return transport.Failure{Kind: integrations.KindInvalid, Code: strconv.Itoa(status), Message: "refused fields: " + strings.Join(sorted(names), ", ")}
			}
		case http.StatusConflict:
			return transport.Failure{Kind: integrations.KindInvalid, Message: "it conflicts with what is there"}
		}
		return transport.Failure{}
	}
}
