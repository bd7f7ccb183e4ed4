package availity

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// coverage is a CoverageSummary or a Coverage; only the latter has benefits.
type coverage struct {
	ID                 string              `json:"id"`
	StatusCode         string              `json:"statusCode"`
	ControlNumber      string              `json:"controlNumber"`
	CreatedDate        string              `json:"createdDate"`
	AsOfDate           string              `json:"asOfDate"`
	Payer              payer               `json:"payer"`
	RequestedService   []codeValue         `json:"requestedServiceType"`
	Plans              []plan              `json:"plans"`
	ValidationMessages []validationMessage `json:"validationMessages"`
}

type payer struct {
	Name         string `json:"name"`
	ResponseName string `json:"responseName"` // as the payer calls itself
}

// dates say from when to when a plan or a row holds; each may be missing.
type dates struct {
	CoverageStart    string `json:"coverageStartDate"`
	CoverageEnd      string `json:"coverageEndDate"`
	EligibilityStart string `json:"eligibilityStartDate"`
	EligibilityEnd   string `json:"eligibilityEndDate"`
	BenefitBegin     string `json:"benefitBeginDate"`
	BenefitEnd       string `json:"benefitEndDate"`
}

type codeValue struct {
	Code string `json:"code"`
}

type validationMessage struct {
	Field string `json:"field"`
	Code  string `json:"code"`
}

type plan struct {
	dates
	GroupName         string            `json:"groupName"`
	Status            string            `json:"status"`
	StatusCode        string            `json:"statusCode"`
	InsuranceType     string            `json:"insuranceType"`
	InsuranceTypeCode string            `json:"insuranceTypeCode"`
	Benefits          []benefit         `json:"benefits"`
	AdditionalPayers  []additionalPayer `json:"additionalPayers"`
}

// additionalPayer is another plan that this payer knows of.
type additionalPayer struct {
	dates
	Name              string `json:"name"`
	Type              string `json:"type"`
	InsuranceTypeCode string `json:"insuranceTypeCode"`
	MedicaidID        string `json:"medicaidRecipientIdentificationNumber"`
	COBEnd            string `json:"coordinationOfBenefitsEndDate"`
}

type benefit struct {
	Type             string            `json:"type"` // X12 service type code
	Status           string            `json:"status"`
	StatusCode       string            `json:"statusCode"`
	NonCovered       *detail           `json:"nonCovered"`
	StatusDetails    *detail           `json:"statusDetails"`
	AdditionalPayers []additionalPayer `json:"additionalPayers"`
	PayerNotes       noteList          `json:"payerNotes"` // hold for all of its rows
	Amounts          struct {
		CoPayment   *detail `json:"coPayment"`
		CoInsurance *detail `json:"coInsurance"`
		Deductibles *detail `json:"deductibles"`
		OutOfPocket *detail `json:"outOfPocket"`
	} `json:"amounts"`
}

// detail holds the rows of an amount by network.
type detail struct {
	In            []networkBenefit `json:"inNetwork"`
	Out           []networkBenefit `json:"outOfNetwork"`
	None          []networkBenefit `json:"noNetwork"`
	NotApplicable []networkBenefit `json:"notApplicableNetwork"`
}

// networkBenefit is one row; every amount is a string and may be empty.
type networkBenefit struct {
	dates
	Amount                  string   `json:"amount"`
	Units                   string   `json:"units"`
	AmountTimePeriod        string   `json:"amountTimePeriod"`
	AmountTimePeriodCode    string   `json:"amountTimePeriodCode"`
	Remaining               string   `json:"remaining"`
	RemainingTimePeriodCode string   `json:"remainingTimePeriodCode"`
	Level                   string   `json:"level"`
	LevelCode               string   `json:"levelCode"`
	InsuranceType           string   `json:"insuranceType"`
	InsuranceTypeCode       string   `json:"insuranceTypeCode"`
	PlaceOfServiceCode      string   `json:"placeOfServiceCode"`
	Description             string   `json:"description"`
	PayerNotes              noteList `json:"payerNotes"`
}

// noteList reads the payer's free text, strings or objects with a message.
type noteList []string

// UnmarshalJSON implements json.Unmarshaler. A note in another shape is no
// reason to lose the benefit it stands at.
func (n *noteList) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		raw = []json.RawMessage{b}
	}
	for _, r := range raw {
		var s string
		var o struct {
			Message string `json:"message"`
		}
		switch {
		case json.Unmarshal(r, &s) == nil:
		case json.Unmarshal(r, &o) == nil:
			s = o.Message
		}
		if s = strings.TrimSpace(s); s != "" {
			*n = append(*n, s)
		}
	}
	return nil
}

// payerEntry is one entry of the payer list; its routes are an object or a
// list of them, and are not needed: the list is filtered by the request.
type payerEntry struct {
	PayerID string `json:"payerId"`
}

// moment reads the platform's dates: ISO 8601, the offset without a colon.
func moment(s string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05.000-0700", "2006-01-02T15:04:05-0700", time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

var safeTrace = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// throttled is how long to hold back after a 429, which names no time itself.
const throttled = 2 * time.Second

// classify reads Availity's errors; only codes and the names of fields are kept.
func classify(status int, h http.Header, body []byte) transport.Failure {
	var e struct {
		ReasonCode json.Number `json:"reasonCode"`
		Errors     []struct {
			Field string `json:"field"`
		} `json:"errors"`
	}
	_ = json.Unmarshal(body, &e)
	var f transport.Failure
	for _, name := range []string{"X-Global-Transaction-ID", "X-Availity-Transaction-ID"} {
		if id := h.Get(name); f.RequestID == "" && safeTrace.MatchString(id) {
			f.RequestID = id
		}
	}
	if c := e.ReasonCode.String(); c != "" && c != "0" && len(c) < 12 {
		f.Code = c
	}
	switch status {
	case http.StatusServiceUnavailable:
		f.Kind, f.Message = integrations.KindUnavailable, "the payer is down or in its maintenance window; try again later"
	case http.StatusForbidden:
		f.Kind, f.Message = integrations.KindUnauthorized, "the application is not subscribed to this, or its scope is wrong"
	case http.StatusTooManyRequests:
		f.Kind, f.Message, f.RetryAfter = integrations.KindRateLimited, "over the plan's limit", transport.RetryAfter(h)
		if f.RetryAfter == 0 {
			f.RetryAfter = throttled
		}
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		f.Kind, f.Message = integrations.KindInvalid, "the request is refused"
		var fields []string
		for _, x := range e.Errors {
			if known(x.Field) && len(fields) < 5 { // names only, and only those we know
				fields = append(fields, x.Field)
			}
		}
		if len(fields) > 0 {
			f.Message += "; check " + strings.Join(fields, ", ")
		}
	}
	return f
}

// classifyToken reads errors of the token endpoint, behind which is no payer.
func classifyToken(status int, h http.Header, body []byte) transport.Failure {
	f := classify(status, h, body)
	if status == http.StatusServiceUnavailable {
		f.Message = "Availity itself is down; try again later"
	}
	return f
}

// decode reads an answer; nothing of it is repeated when it cannot be read.
func decode(op string, res *transport.Response, into any) error {
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(res.Body, into); err != nil {
		return &integrations.Error{Kind: integrations.KindUnavailable, Platform: Platform, Op: op, Status: res.Status,
			Message: "the answer is not the JSON that was expected"}
	}
	return nil
}
