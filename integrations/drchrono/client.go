package drchrono

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// id reads identifiers that DrChrono writes as a number in one object and as
// a string in another.
type id string

// UnmarshalJSON implements json.Unmarshaler.
func (i *id) UnmarshalJSON(b []byte) error {
	*i = ""
	if string(b) == "null" {
		return nil
	}
	if b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*i = id(strings.TrimSpace(s))
		return err
	}
	s := strings.TrimSuffix(string(b), ".0") // some are declared as decimals
	if _, err := strconv.ParseUint(s, 10, 64); err != nil {
		return errors.New("an id is a whole number or a text")
	}
	*i = id(s)
	return nil
}

// decimal reads amounts, numbers and strings alike, without a float.
type decimal string

// UnmarshalJSON implements json.Unmarshaler.
func (d *decimal) UnmarshalJSON(b []byte) error {
	*d = ""
	switch {
	case string(b) == "null":
		return nil
	case b[0] == '"':
		var s string
		err := json.Unmarshal(b, &s)
		*d = decimal(strings.TrimSpace(s))
		return err
	case b[0] == '-' || b[0] >= '0' && b[0] <= '9':
		*d = decimal(b)
		return nil
	}
	return errors.New("an amount is a number or a text")
}

// words reads a list of texts; one in another shape says nothing, and is no
// reason to lose the object it stands in.
type words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(b []byte) error {
	*w = nil
	var list []string
	if json.Unmarshal(b, &list) == nil {
		*w = list
	}
	return nil
}

type lineItem struct {
	ID          id      `json:"id"`
	Appointment id      `json:"appointment"`
	Patient     id      `json:"patient"`
	Doctor      id      `json:"doctor"`
	Code        string  `json:"code"`
	Modifiers   words   `json:"modifiers"`
	Price       decimal `json:"price"`
	Billed      decimal `json:"billed"`
	Allowed     decimal `json:"allowed"`
	BalancePt   decimal `json:"balance_pt"`
	ServiceDate string  `json:"service_date"`
	PostedDate  string  `json:"posted_date"`
	UpdatedAt   string  `json:"updated_at"`
	// BillingStatus is how far the claim is, in words.
	BillingStatus string `json:"billing_status"`
}

type appointment struct {
	ID             id     `json:"id"`
	Patient        id     `json:"patient"`
	Doctor         id     `json:"doctor"`
	ScheduledTime  string `json:"scheduled_time"`
	Status         string `json:"status"`
	PaymentProfile string `json:"payment_profile"`
	BillingStatus  string `json:"billing_status"`
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
	UpdatedAt  string     `json:"updated_at"`
}

type deletion struct {
	LineItem    id     `json:"billing_line_item_id"`
	Appointment id     `json:"appointment_id"`
	CreatedAt   string `json:"created_at"`
}

type eligibilityCheck struct {
	ID          id              `json:"id"`
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
	Received    string      `json:"received_date,omitempty"`
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

func (p page[T]) next() string {
	if p.Next == nil {
		return ""
	}
	return *p.Next
}

// client calls the API. It is safe for concurrent use.
type client struct {
	http *transport.Client
	base *url.URL
	hour *hourly
}

const (
	// maxRedirects bounds how often one call is sent on.
	maxRedirects = 4
	// maxPages bounds a listing; what needs more is a mistake.
	maxPages = 200
	// pageSize is asked of listings that take one.
	pageSize = "100"
)

func fail(k integrations.Kind, op, msg string) *integrations.Error {
	return &integrations.Error{Kind: k, Platform: Platform, Op: op, Message: msg}
}

// do makes one call. DrChrono answers some with a redirect, after which the
// same method, headers and body have to be sent to the new address; nothing
// has been done by then, also when the call moves money.
func (c *client) do(ctx context.Context, r transport.Request, into any) error {
	for range maxRedirects {
		if err := c.hour.take(r.Op); err != nil {
			return err
		}
		res, err := c.http.Do(ctx, r, nil)
		if err != nil {
			return err
		}
		if res.Status >= 300 {
			to, ok := c.within(res.Header.Get("Location"))
			if !ok {
				return fail(integrations.KindUnavailable, r.Op, "the platform sends us away from its API; check base_url and the connection's consent")
			}
			r.Path, r.Query = to, nil
			continue
		}
		if err := json.Unmarshal(res.Body, into); err != nil {
			e := fail(integrations.KindUnavailable, r.Op, "the answer is not the JSON that was expected")
			if r.Moves {
				e.Kind = integrations.KindUnknown
			}
			e.Status = res.Status
			return e
		}
		return nil
	}
	return fail(integrations.KindUnavailable, r.Op, "too many redirects; check base_url")
}

// success takes the redirects in that do follows.
func success(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return status >= 200 && status < 300
}

// within turns a link of the platform into an address below our base URL: it
// answers under several hosts, and credentials must go to none but ours.
func (c *client) within(link string) (string, bool) {
	u, err := url.Parse(link)
	if err != nil {
		return "", false
	}
	root := strings.TrimSuffix(c.base.Path, "/")
	path := strings.TrimPrefix(u.EscapedPath(), root)
	if !strings.HasPrefix(path, "/api/") || strings.Contains(path, "..") {
		return "", false
	}
	to := c.base.Scheme + "://" + c.base.Host + root + path
	if u.RawQuery != "" {
		to += "?" + u.RawQuery
	}
	return to, true
}

func (c *client) get(ctx context.Context, op, path string, q url.Values, into any) error {
	return c.do(ctx, transport.Request{Op: op, Method: http.MethodGet, Path: path, Query: q}, into)
}

// list reads a listing from its first page to its end.
func list[T any](ctx context.Context, c *client, op, path string, q url.Values) ([]T, error) {
	var all []T
	for range maxPages {
		var p page[T]
		if err := c.get(ctx, op, path, q, &p); err != nil {
			return nil, err
		}
		all = append(all, p.items()...)
		if p.next() == "" {
			return all, nil
		}
		to, ok := c.within(p.next())
		if !ok {
			return nil, fail(integrations.KindUnavailable, op, "the listing's next page is not part of the API")
		}
		path, q = to, nil
	}
	return nil, fail(integrations.KindUnavailable, op, "the listing does not end")
}

var fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// classify reads DrChrono's errors. Their texts may repeat what was sent, so
// only the names of the fields are kept.
func classify(hour *hourly) func(status int, h http.Header, body []byte) transport.Failure {
	return func(status int, _ http.Header, body []byte) transport.Failure {
		switch status {
		case http.StatusTooManyRequests:
			return transport.Failure{Kind: integrations.KindRateLimited, RetryAfter: hour.throttled(), Message: "the application's limit of calls is used up"}
		case http.StatusForbidden:
			return transport.Failure{Kind: integrations.KindUnauthorized, Message: "the token lacks a scope, or the user a permission inside DrChrono"}
		case http.StatusBadRequest:
			var fields map[string]json.RawMessage
			if json.Unmarshal(body, &fields) == nil {
				var names []string
				for f := range fields {
					if fieldName.MatchString(f) {
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
