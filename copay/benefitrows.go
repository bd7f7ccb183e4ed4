package copay

import "strings"

// choose picks the rows that are for this charge, each amount and note once,
// and lowers the confidence where the choice itself is in doubt. Rows for this
// very service come before those of the plan as a whole.
func (e *estimator) choose(rows []BenefitAmount, confidence int) ([]BenefitAmount, int) {
	if e.networkKnown() {
		rows = e.ofNetwork(rows)
	}
	served := ofService(rows, e.c.Service)
	if len(served) == 0 {
		served = ofPlan(rows)
	}
	near := e.ofNetwork(served)
	mine, confidence := e.ofProvider(near, confidence)
	if e.networkKnown() || len(mine) == 0 {
		return once(mine), confidence
	}
	if !anyOf(mine, func(r BenefitAmount) bool { return r.Network != NetworkOut }) {
		confidence = min(confidence, rough) // only amounts out of network are known
	}
	if all, _ := e.ofProvider(served, confidence); differ(all) && !differ(mine) {
		e.networkMatters = true
	}
	return once(mine), confidence
}

func ofService(rows []BenefitAmount, s ServiceType) []BenefitAmount {
	return filter(rows, func(r BenefitAmount) bool { return r.Service == s && s != "" })
}

func ofPlan(rows []BenefitAmount) []BenefitAmount {
	return filter(rows, func(r BenefitAmount) bool { return r.Service == "" || r.Service == ServicePlan })
}

func (e *estimator) networkKnown() bool { return e.c.Network == NetworkIn || e.c.Network == NetworkOut }

// ofNetwork keeps the charge's network; when it is not known, the practice is
// taken to be in network where such rows exist.
func (e *estimator) ofNetwork(rows []BenefitAmount) []BenefitAmount {
	want := e.c.Network
	if !e.networkKnown() {
		want = NetworkIn
		if !anyOf(rows, func(r BenefitAmount) bool { return r.Network != NetworkOut }) {
			return rows
		}
	}
	return filter(rows, func(r BenefitAmount) bool {
		return r.Network == want || r.Network == NetworkAny || r.Network == NetworkUnknown
	})
}

// ofProvider keeps the rows for a specialist or for primary care, which a 271
// often tells apart only in free text. Rows that name neither stand in when no
// row names the right one; rows that name only the wrong one are kept, in doubt.
func (e *estimator) ofProvider(rows []BenefitAmount, confidence int) ([]BenefitAmount, int) {
	said := func(p provider) []BenefitAmount {
		return filter(rows, func(r BenefitAmount) bool { return r.provider() == p })
	}
	if e.c.Specialist == nil {
		if len(rows) > 0 && len(said(anyProvider)) == 0 {
			confidence = min(confidence, rough)
		}
		return rows, confidence
	}
	want := primaryCare
	if *e.c.Specialist {
		want = specialist
	}
	for _, p := range []provider{want, anyProvider} {
		if out := said(p); len(out) > 0 {
			return out, confidence
		}
	}
	if len(rows) > 0 {
		confidence = min(confidence, contradict)
	}
	return rows, confidence
}

// provider is the kind of provider a row is for.
type provider int

const (
	anyProvider provider = iota
	primaryCare
	specialist
)

var (
	notSpecialist   = []string{"NON-SPECIALIST", "NON SPECIALIST", "NONSPECIALIST", "NOT A SPECIALIST", "NOT SPECIALIST", "EXCEPT SPECIALIST", "OTHER THAN SPECIALIST"}
	specialistWords = []string{"SPECIALIST", "SPECIALTY", " SPEC ", " SPCLST "}
	primaryWords    = []string{"PRIMARY CARE", " PCP ", "PRIMARY PHYSICIAN", "GENERAL PRACTI", "FAMILY PRACTI"}
)

// provider reads the payer's note. A note that names both kinds, such as
// "PRIMARY CARE OR SPECIALIST", holds for either.
func (r BenefitAmount) provider() provider {
	n := " " + strings.ToUpper(r.Note) + " "
	primary := false
	for _, w := range notSpecialist {
		if strings.Contains(n, w) {
			n, primary = strings.ReplaceAll(n, w, " "), true
		}
	}
	has := func(words []string) bool {
		for _, w := range words {
			if strings.Contains(n, w) {
				return true
			}
		}
		return false
	}
	primary = primary || has(primaryWords)
	switch spec := has(specialistWords); {
	case spec && !primary:
		return specialist
	case primary && !spec:
		return primaryCare
	}
	return anyProvider
}

// maxNote bounds how much of a payer's free text is repeated in a reason.
const maxNote = 80

// text says what a row is for.
func (r BenefitAmount) text(what string) string {
	var parts []string
	if r.Service != "" {
		parts = append(parts, "service "+string(r.Service))
	}
	switch r.Network {
	case NetworkIn:
		parts = append(parts, "in network")
	case NetworkOut:
		parts = append(parts, "out of network")
	}
	if r.Level != "" {
		parts = append(parts, r.Level)
	}
	if note := []rune(strings.ToLower(strings.TrimSpace(r.Note))); len(note) > 0 {
		parts = append(parts, string(note[:min(len(note), maxNote)]))
	}
	if len(parts) == 0 {
		return what
	}
	return what + " (" + strings.Join(parts, ", ") + ")"
}

func filter(rows []BenefitAmount, keep func(BenefitAmount) bool) []BenefitAmount {
	var out []BenefitAmount
	for _, r := range rows {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

func anyOf(rows []BenefitAmount, is func(BenefitAmount) bool) bool {
	return len(filter(rows, is)) > 0
}

// once drops rows that say the same twice.
func once(rows []BenefitAmount) []BenefitAmount {
	var out []BenefitAmount
	for _, r := range rows {
		if !anyOf(out, func(x BenefitAmount) bool {
			return x.same(r) && x.Level == r.Level && strings.EqualFold(x.Note, r.Note)
		}) {
			out = append(out, r)
		}
	}
	return out
}

func (r BenefitAmount) same(o BenefitAmount) bool {
	return r.Amount.Equal(o.Amount) && r.Percent == o.Percent
}

// differ reports whether the rows name more than one amount or share.
func differ(rows []BenefitAmount) bool {
	return anyOf(rows, func(r BenefitAmount) bool { return !r.same(rows[0]) })
}

// differWithinLevel is differ for deductibles and limits, where a family's and
// the patient's own naturally differ.
func differWithinLevel(rows []BenefitAmount) bool {
	return anyOf(rows, func(r BenefitAmount) bool {
		return differ(filter(rows, func(x BenefitAmount) bool { return x.Level == r.Level }))
	})
}

// lowest is the row with the least: of a family's deductible and the patient's
// own, whichever is met first ends it. Rows have an amount or a percent, never both.
func lowest(rows []BenefitAmount) BenefitAmount {
	low := rows[0]
	for _, r := range rows[1:] {
		if r.Amount.Minor < low.Amount.Minor || r.Amount.Minor == low.Amount.Minor && r.Percent < low.Percent {
			low = r
		}
	}
	return low
}
