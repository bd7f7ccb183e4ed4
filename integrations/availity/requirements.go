package availity

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/transport"
)

// configurations lists what payers require of a 270 (GET /v1/configurations).
type configurations struct {
	Configurations []configuration `json:"configurations"`
}

type configuration struct {
	PayerID  string             `json:"payerId"`
	Elements map[string]element `json:"elements"`
	// Combinations are rules in each of which all fields of at least one list
	// must be given.
	Combinations map[string][][]string `json:"requiredFieldCombinations"`
}

type element struct {
	Type            string               `json:"type"`
	Required        bool                 `json:"required"`
	Allowed         *bool                `json:"allowed"`
	RequiredWhen    map[string]condition `json:"requiredWhen"`
	NotRequiredWhen map[string]condition `json:"notRequiredWhen"`
}

// condition is a rule on the value of another field. Kinds of rule that are
// not read here never hold, so that they require nothing by mistake.
type condition struct {
	EqualTo     *string  `json:"equalTo"`
	ContainedIn []string `json:"containedIn"`
}

func (c condition) holds(v string) bool {
	return c.EqualTo != nil && *c.EqualTo == v || v != "" && slices.Contains(c.ContainedIn, v)
}

func anyHolds(when map[string]condition, form url.Values) bool {
	for field, c := range when {
		if c.holds(form.Get(field)) {
			return true
		}
	}
	return false
}

// always are sent wherever they are known; of the rest only what the payer's
// configuration names: the least that answers the question.
var always = []string{"payerId", "asOfDate", "serviceType", "providerNpi", "memberId", "patientLastName", "patientFirstName", "patientBirthDate", "subscriberRelationship"}

// practiceFields are about the practice: they are mended in its configuration,
// not in the EHR.
var practiceFields = map[string]string{"providerNpi": "provider_npi", "providerLastName": "provider_last_name", "providerFirstName": "provider_first_name",
	"providerType": "provider_type", "providerTaxId": "provider_tax_id", "providerSpecialty": "provider_specialty",
	"payerAssignedProviderId": "payer_assigned_provider_id", "submitterId": "submitter_id", "placeOfService": "place_of_service"}

// ehrFields are about the patient and the policy.
var ehrFields = []string{"payerId", "asOfDate", "serviceType", "memberId", "groupNumber", "subscriberRelationship", "patientLastName", "patientFirstName", "patientBirthDate",
	"patientGender", "patientState", "patientZipCode"}

// known reports whether we could ever send a field; a configuration also
// lists headings, hints and fields of other forms.
func known(field string) bool {
	_, ours := practiceFields[field]
	return ours || slices.Contains(ehrFields, field)
}

// trim drops what the payer does not want or need.
func (c configuration) trim(form url.Values) url.Values {
	out := url.Values{}
	for f, v := range form {
		e, listed := c.Elements[f]
		switch {
		case listed && e.Allowed != nil && !*e.Allowed && !e.Required:
		case listed, len(c.Elements) == 0, slices.Contains(always, f):
			out[f] = v
		}
	}
	return out
}

// missing names the required fields that are empty, sorted.
func (c configuration) missing(form url.Values) []string {
	lacks := map[string]bool{}
	for _, f := range []string{"payerId", "asOfDate"} {
		lacks[f] = form.Get(f) == ""
	}
	for f, e := range c.Elements {
		required := (e.Required || anyHolds(e.RequiredWhen, form)) && !anyHolds(e.NotRequiredWhen, form)
		if required && known(f) && form.Get(f) == "" {
			lacks[f] = true
		}
	}
	for _, ways := range c.Combinations {
		for _, f := range nearest(ways, form) {
			lacks[f] = true
		}
	}
	maps.DeleteFunc(lacks, func(_ string, lacks bool) bool { return !lacks })
	return slices.Sorted(maps.Keys(lacks))
}

// nearest is what the way with the fewest gaps still lacks; nothing when one
// way is complete, or needs fields that we do not know.
func nearest(ways [][]string, form url.Values) []string {
	var best []string
	for i, way := range ways {
		var gaps []string
		for _, f := range way {
			if form.Get(f) == "" {
				gaps = append(gaps, f)
			}
		}
		if i == 0 || len(gaps) < len(best) {
			best = gaps
		}
	}
	return slices.DeleteFunc(best, func(f string) bool { return !known(f) })
}

// lacking is the sentence for staff. It names fields, never values.
func lacking(fields []string) string {
	var ehr, own []string
	for _, f := range fields {
		if option, ours := practiceFields[f]; ours {
			own = append(own, option)
		} else {
			ehr = append(ehr, f)
		}
	}
	var say []string
	if len(ehr) > 0 {
		say = append(say, "the payer requires "+strings.Join(ehr, ", ")+"; complete it in the EHR")
	}
	if len(own) > 0 {
		say = append(say, "the payer requires "+strings.Join(own, ", ")+"; set it in the practice's configuration of availity")
	}
	return strings.Join(say, "; ")
}

// requirementsLife is how long a payer's requirements are believed.
const requirementsLife = 24 * time.Hour

type requirement struct {
	configuration
	at time.Time
}

// requires is what a payer wants in a 270. A payer without a published
// configuration requires nothing that we know of. When Availity cannot say
// just now, what it said before still holds.
func (c *Connector) requires(ctx context.Context, payer string) (configuration, error) {
	c.mu.Lock()
	have, cached := c.required[payer]
	c.mu.Unlock()
	if cached && c.now().Sub(have.at) < requirementsLife {
		return have.configuration, nil
	}
	var list configurations
	err := c.do(ctx, transport.Request{Op: "configurations.list", Method: http.MethodGet, Path: "/v1/configurations",
		Query: url.Values{"type": {"270"}, "payerId": {payer}}}, &list)
	switch kind := integrations.KindOf(err); {
	case err == nil, kind == integrations.KindNotFound:
	case cached && (kind == integrations.KindUnavailable || kind == integrations.KindRateLimited):
		return have.configuration, nil
	default:
		return configuration{}, err
	}
	got := requirement{at: c.now()}
	for _, x := range list.Configurations {
		if x.PayerID == payer || x.PayerID == "" {
			got.configuration = x
		}
	}
	c.mu.Lock()
	c.required[payer] = got
	c.mu.Unlock()
	return got.configuration, nil
}

// unusable is an answer that says why there are no benefits.
func (c *Connector) unusable(handle, trace, problem string) integrations.EligibilityResult {
	return integrations.EligibilityResult{Handle: handle, Benefits: copay.Benefits{Status: copay.CoverageUnknown, Source: string(Platform),
		TraceID: trace, CheckedAt: c.now(), Problem: problem}}
}
