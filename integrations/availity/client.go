package availity

import (
	"encoding/json"
	"net/http"

	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// coverage is a CoverageSummary or Coverage.
type coverage struct {
	ID                 string              `json:"id"`
	Status             string              `json:"status"`
	StatusCode         string              `json:"statusCode"`
	ControlNumber      string              `json:"controlNumber"`
	Plans              []plan              `json:"plans"`
	ValidationMessages []validationMessage `json:"validationMessages"`
}

type validationMessage struct {
	Field string `json:"field"`
	Code  string `json:"code"`
}

type plan struct {
	Status            string    `json:"status"`
	StatusCode        string    `json:"statusCode"`
	InsuranceType     string    `json:"insuranceType"`
	InsuranceTypeCode string    `json:"insuranceTypeCode"`
	Benefits          []benefit `json:"benefits"`
	AdditionalPayers  []struct {
		Primary           bool   `json:"primary"`
		Secondary         bool   `json:"secondary"`
		Tertiary          bool   `json:"tertiary"`
		InsuranceTypeCode string `json:"insuranceTypeCode"`
	} `json:"additionalPayers"`
}

type benefit struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"` // X12 service type code
	Status     string          `json:"status"`
	StatusCode string          `json:"statusCode"`
	NonCovered json.RawMessage `json:"nonCovered"`
	Amounts    struct {
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
	Amount                  string   `json:"amount"`
	Units                   string   `json:"units"`
	AmountTimePeriodCode    string   `json:"amountTimePeriodCode"`
	Remaining               string   `json:"remaining"`
	RemainingTimePeriodCode string   `json:"remainingTimePeriodCode"`
	LevelCode               string   `json:"levelCode"`
	InsuranceTypeCode       string   `json:"insuranceTypeCode"`
	Description             string   `json:"description"`
	PayerNotes              noteList `json:"payerNotes"`
}

// noteList reads the payer's free text, strings or objects with a message.
type noteList []string

// UnmarshalJSON implements json.Unmarshaler.
func (n *noteList) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil //nolint:nilerr // a note in another shape is no reason to lose the benefit
	}
	for _, r := range raw {
		var s string
		var o struct {
			Message string `json:"message"`
			Value   string `json:"value"`
		}
		if json.Unmarshal(r, &s) == nil {
			*n = append(*n, s)
		} else if json.Unmarshal(r, &o) == nil && o.Message+o.Value != "" {
			*n = append(*n, o.Message+o.Value)
		}
	}
	return nil
}

// configurations lists what a payer requires of a 270.
type configurations struct {
	Configurations []struct {
		PayerID  string `json:"payerId"`
		Elements map[string]struct {
			Required bool `json:"required"`
		} `json:"elements"`
	} `json:"configurations"`
}

// classify reads Availity's errors; only codes and field names are kept.
func classify(status int, h http.Header, body []byte) transport.Failure {
	var e struct {
		ReasonCode json.Number `json:"reasonCode"`
		Errors     []struct {
			Field string `json:"field"`
		} `json:"errors"`
	}
	_ = json.Unmarshal(body, &e)
	f := transport.Failure{RequestID: h.Get("X-Global-Transaction-ID")}
	if f.RequestID == "" {
		f.RequestID = h.Get("X-Availity-Transaction-ID")
	}
	if c := e.ReasonCode.String(); c != "" && c != "0" {
		f.Code = c
	}
	switch status {
	case http.StatusServiceUnavailable:
		f.Kind, f.Message = integrations.KindUnavailable, "the payer is down or in its maintenance window"
	case http.StatusForbidden:
		f.Kind, f.Message = integrations.KindUnauthorized, "the application is not subscribed, or its scope is wrong"
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		f.Kind, f.Message = integrations.KindInvalid, "the request is refused"
		for i, x := range e.Errors {
			if i == 0 && x.Field != "" && len(x.Field) < 60 {
				f.Message += " (field " + x.Field + ")"
			}
		}
	}
	return f
}
