package drchrono

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/copayflow/copayflow/copay"
)

// found is what an object of a check's details says, together with what the
// objects around it said. The fields are elements of an X12 271 EB segment.
type found struct {
	code            string            // EB01
	level           string            // EB02: IND or FAM
	service         copay.ServiceType // EB03
	plan            copay.PlanKind    // EB04
	remaining, used bool              // EB06: 29, 24
	amount          *copay.Money      // EB07
	percent         *copay.Percent    // EB08
	network         copay.Network     // EB12
	note            string            // MSG
}

// Bounds of a document of unknown shape.
const (
	maxDepth = 16
	maxNodes = 20_000
	maxRows  = 500
	maxNote  = 80
)

// walk collects the rows of a document whose shape the vendor does not
// describe: objects and lists of any depth, or a text that holds them. What is
// not recognised is passed over. Where an object names no code, service or
// network, those of what is around it hold.
func walk(raw json.RawMessage, outer found) []found {
	w := walker{}
	w.visit(document(raw), outer, 0)
	return w.rows
}

func document(raw []byte) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var doc any
	if dec.Decode(&doc) != nil {
		return nil
	}
	return doc
}

type walker struct {
	rows  []found
	nodes int
}

func (w *walker) visit(v any, around found, depth int) {
	if w.nodes++; depth > maxDepth || w.nodes > maxNodes {
		return
	}
	switch v := v.(type) {
	case string:
		if s := strings.TrimSpace(v); strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
			w.visit(document([]byte(s)), around, depth+1)
		}
	case []any:
		for _, x := range v {
			w.visit(x, around, depth+1)
		}
	case map[string]any:
		w.object(v, around, depth)
	}
}

// people are parts that tell who somebody is; nothing is read from them.
var people = []string{"subscriber", "coveragesubscriber", "dependent", "patient", "member", "provider", "payer"}

func (w *walker) object(m map[string]any, around found, depth int) {
	own := around
	own.amount, own.percent = nil, nil
	keys := sortedKeys(m)
	for _, k := range keys { // a code makes the amount another one, so it comes first
		own.setCode(plain(k), text(m[k]))
	}
	for _, k := range keys {
		own.set(plain(k), m[k])
	}
	if own.amount != nil || own.percent != nil || own.code != around.code || own.plan != around.plan {
		if len(w.rows) < maxRows {
			w.rows = append(w.rows, own)
		}
	}
	own.amount, own.percent = nil, nil
	for _, k := range keys {
		if !slices.Contains(people, plain(k)) {
			w.visit(m[k], own, depth+1)
		}
	}
}

// setCode reads a code. A field that is only called "code" may be about
// anything: of those only the ones that come with amounts count.
func (f *found) setCode(name, v string) {
	allowed := "12345678ABCGIV"
	switch name {
	case "code":
		allowed = "ABCG"
	case "eb01", "eligibility", "eligibilitycode", "eligibilityorbenefit", "benefitcode", "benefitinformationcode", "informationcode":
	default:
		return
	}
	if len(v) == 1 && strings.Contains(allowed, v) {
		f.code, f.remaining, f.used = v, false, false
	} else if name != "code" && len(v) > 0 && len(v) <= 2 {
		f.code = v // some other benefit: its amounts are none of ours
	}
}

func (f *found) set(name string, v any) {
	s := text(v)
	if s == "" {
		return
	}
	words := plain(s)
	switch name {
	case "amount", "benefitamount", "monetaryamount", "copayamount", "eb07":
		if strings.HasSuffix(s, "%") {
			f.percent = share(s)
		} else {
			f.amount = typed(s)
		}
	case "percent", "percentage", "benefitpercent", "eb08":
		f.percent = share(s)
	case "coveragelevel", "coveragelevelcode", "eb02":
		f.level = map[string]string{"ind": "IND", "individual": "IND", "fam": "FAM", "family": "FAM"}[words]
	case "servicetype", "servicetypecode", "eb03":
		if len(words) > 0 && len(words) <= 2 {
			f.service = copay.ServiceType(strings.ToUpper(words))
		}
	case "insurancetype", "insurancetypecode", "eb04":
		f.plan = planKind(strings.ToUpper(s))
	case "timeperiod", "timeperiodcode", "timeperiodqualifier", "eb06": // X12 element 615
		f.remaining = words == "29" || strings.HasPrefix(words, "remaining")
		f.used = words == "24" || strings.HasPrefix(words, "yeartodate")
	case "network", "innetwork", "inplannetwork", "innetworkindicator", "inplannetworkindicator", "eb12":
		f.network = map[string]copay.Network{"y": copay.NetworkIn, "yes": copay.NetworkIn, "true": copay.NetworkIn, "in": copay.NetworkIn, "innetwork": copay.NetworkIn,
			"n": copay.NetworkOut, "no": copay.NetworkOut, "false": copay.NetworkOut, "out": copay.NetworkOut, "outofnetwork": copay.NetworkOut, "w": copay.NetworkAny}[words]
	case "message", "messages", "note", "description":
		r := []rune(s)
		f.note = string(r[:min(len(r), maxNote)])
	}
}

// planKind reads X12 element 1336, or its words.
func planKind(s string) copay.PlanKind {
	switch {
	case s == "QM", strings.Contains(s, "QUALIFIED MEDICARE BENEFICIARY"), strings.Contains(s, "QMB"):
		return copay.PlanQMB
	case s == "MC", strings.Contains(s, "MEDICAID"):
		return copay.PlanMedicaid
	case slices.Contains(medicareCodes, s), strings.Contains(s, "MEDICARE"):
		return copay.PlanMedicare
	}
	return copay.PlanCommercial
}

// medicareCodes are Medicare as primary and as secondary payer.
var medicareCodes = []string{"MA", "MB", "MP", "HN", "12", "13", "14", "15", "16", "41", "42", "43", "47"}

// plain is a field's name or value without the ways of writing it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
}

// text is a number, a text, a truth, a list of texts, or the code of an object.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case bool:
		return map[bool]string{true: "true", false: "false"}[v]
	case map[string]any:
		if s, ok := v["code"].(string); ok {
			return strings.TrimSpace(s)
		}
	case []any:
		var parts []string
		for _, x := range v {
			if s, ok := x.(string); ok && len(parts) < 20 {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, "; ")
	}
	return ""
}

// share reads a percentage. A 271 writes 20 % as .2 (EB08 is a fraction of
// one), people as 20: a number up to and including 1 is a fraction, above it
// percent, and so is any with a percent sign.
func share(s string) *copay.Percent {
	n, sign := strings.CutSuffix(s, "%")
	n = strings.TrimSpace(n)
	if n == "" || len(n) > 12 || strings.ContainsAny(n, "eEnNiI_") {
		return nil
	}
	d, _, err := apd.NewFromString(n)
	if err != nil || d.Form != apd.Finite || d.Negative {
		return nil
	}
	shift := int32(2) // percent to hundredths of a percent
	if !sign && d.Cmp(apd.New(1, 0)) <= 0 {
		shift = 4
	}
	d.Exponent += shift
	var out apd.Decimal
	ctx := apd.BaseContext.WithPrecision(20)
	ctx.Rounding = apd.RoundHalfUp
	if _, err := ctx.RoundToIntegralValue(&out, d); err != nil {
		return nil
	}
	i, err := out.Int64()
	if err != nil || i > 10_000 {
		return nil
	}
	p := copay.Percent(i)
	return &p
}
