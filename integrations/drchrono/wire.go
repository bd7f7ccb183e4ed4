package drchrono

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// id reads identifiers that DrChrono writes as a number in one object and as
// a string in another.
type id string

var errID = errors.New("an id is a whole number or a text")

// UnmarshalJSON implements json.Unmarshaler.
func (i *id) UnmarshalJSON(b []byte) error {
	*i = ""
	if string(b) == "null" {
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*i = id(strings.TrimSpace(s))
		return nil
	}
	// Some ids are declared as numbers and may come as 55910021.0.
	s := strings.TrimSuffix(string(b), ".0")
	if _, err := strconv.ParseUint(s, 10, 64); err != nil {
		return errID
	}
	*i = id(s)
	return nil
}

var digits = regexp.MustCompile(`^[0-9]{1,18}$`)

// numeric is an id as the number that writes want; "" when it is none, as with
// instances of recurring appointments.
func numeric(s string) json.Number {
	if !digits.MatchString(s) {
		return ""
	}
	if n := strings.TrimLeft(s, "0"); n != "" {
		return json.Number(n)
	}
	return ""
}

// decimal reads amounts, numbers and strings alike, without a float.
type decimal string

// UnmarshalJSON implements json.Unmarshaler.
func (d *decimal) UnmarshalJSON(b []byte) error {
	*d = ""
	var v any
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
	case string:
		*d = decimal(strings.TrimSpace(v))
	case json.Number:
		*d = decimal(v)
	default:
		return errors.New("an amount is a number or a text")
	}
	return nil
}

type lineItem struct {
	ID          id       `json:"id"`
	Appointment id       `json:"appointment"`
	Patient     id       `json:"patient"`
	Doctor      id       `json:"doctor"`
	Code        string   `json:"code"`
	Modifiers   []string `json:"modifiers"`
	Price       decimal  `json:"price"`
	Quantity    decimal  `json:"quantity"`
	Billed      decimal  `json:"billed"`
	Allowed     decimal  `json:"allowed"`
	BalancePt   decimal  `json:"balance_pt"`
	ServiceDate string   `json:"service_date"`
	UpdatedAt   string   `json:"updated_at"`
}

type appointment struct {
	ID             id     `json:"id"`
	Patient        id     `json:"patient"`
	Doctor         id     `json:"doctor"`
	ScheduledTime  string `json:"scheduled_time"`
	PaymentProfile string `json:"payment_profile"`
	Deleted        bool   `json:"deleted_flag"`
}

type doctor struct {
	ID        id     `json:"id"`
	Timezone  string `json:"timezone"`
	Specialty string `json:"specialty"`
}

type insurance struct {
	Company      string `json:"insurance_company"`
	PayerID      string `json:"insurance_payer_id"`
	IDNumber     string `json:"insurance_id_number"`
	GroupNumber  string `json:"insurance_group_number"`
	PlanName     string `json:"insurance_plan_name"`
	Self         *bool  `json:"is_subscriber_the_patient"`
	Relationship string `json:"patient_relationship_to_subscriber"`
}

type patient struct {
	ID         id         `json:"id"`
	FirstName  string     `json:"first_name"`
	LastName   string     `json:"last_name"`
	BirthDate  string     `json:"date_of_birth"`
	Gender     string     `json:"gender"`
	Email      string     `json:"email"`
	CellPhone  string     `json:"cell_phone"`
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
	LineItem    id     `json:"billing_line_item_id"`
	Appointment id     `json:"appointment_id"`
	CreatedAt   string `json:"created_at"`
}

type eligibilityCheck struct {
	ID          id              `json:"id"`
	Level       string          `json:"cob_level"`
	QueryDate   string          `json:"query_date"`
	Eligibility string          `json:"eligibility"`
	Service     string          `json:"request_service_type"`
	Details     json.RawMessage `json:"coverage_details"`
}

type patientPayment struct {
	ID        id      `json:"id"`
	Amount    decimal `json:"amount"`
	Trace     string  `json:"trace_number"`
	LineItem  id      `json:"line_item"`
	CreatedAt string  `json:"created_at"`
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
