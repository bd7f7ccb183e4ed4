package api

import (
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// patterns says in words what the contract says as an expression, since the
// people who read refusals mostly do not read those.
var patterns = map[string]string{
	`\S`:                            "must say something",
	`^([a-z0-9][a-z0-9_-]{0,31})?$`: "must be a platform's name such as stripe, or empty",
	`^[a-z0-9][a-z0-9_-]{0,31}$`:    "must be a platform's name such as drchrono",
	`^(\+[1-9][0-9]{6,14}|[^@\s]+@[^@\s]+\.[^@\s]+)$`:     "must be a phone number such as +13125550142, or a mail address",
	`^(cp_[0-9a-hjkmnp-tv-z]{16})?$`:                      "must be a co-pay's id such as cp_65dgmb547vm4gjvc, or empty",
	`^cp_[0-9a-hjkmnp-tv-z]{16}$`:                         "must be a co-pay's id such as cp_65dgmb547vm4gjvc",
	`^(pay-[0-9]{1,6})?$`:                                 "must be a payment's id such as pay-1, or empty",
	`^ref-[0-9]{1,6}$`:                                    "must be a refund's id such as ref-1",
	`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`: "must be a day such as 2026-11-24",
	`^[A-Za-z0-9._:-]{1,128}$`:                            "must have 1 to 128 letters, digits and . _ : -",
	`^[^\s\x00-\x1f\x7f]+$`:                               "must be given, without spaces",
	`^[a-z0-9][a-z0-9-]{0,39}$`:                           "must be a practice's id: small letters, digits and dashes",
	`^[a-z_]{0,64}$`:                                      "must be an account's name such as patient_receivable",
}

// words is what a violation of the contract is told as.
func words(v *protovalidate.Violation) string {
	rule := v.Proto.GetRuleId()
	switch {
	case !v.RuleValue.IsValid():
	case rule == "string.pattern" && patterns[v.RuleValue.String()] != "":
		return patterns[v.RuleValue.String()]
	case rule == "string.const":
		return "must be " + v.RuleValue.String() + ", nothing else is supported"
	case rule == "int64.gte_lte": // only amounts have bounds of this kind
		return "must not be more than one million dollars"
	case strings.HasPrefix(rule, "enum.") && v.FieldDescriptor != nil && v.FieldDescriptor.Enum() != nil:
		return "must be one of " + strings.Join(choices(v), ", ")
	}
	return v.Proto.GetMessage()
}

// choices are the names of the enum's values that the rule lets through.
func choices(v *protovalidate.Violation) []string {
	in := map[protoreflect.EnumNumber]bool{}
	if v.Proto.GetRuleId() == "enum.in" {
		for i := range v.RuleValue.List().Len() {
			in[protoreflect.EnumNumber(v.RuleValue.List().Get(i).Int())] = true
		}
	}
	return chosen(v.FieldDescriptor.Enum(), in)
}

// chosen are the names of an enum's values, of those in a set when it is not
// empty; zero is never one to choose.
func chosen(e protoreflect.EnumDescriptor, in map[protoreflect.EnumNumber]bool) (names []string) {
	for i := range e.Values().Len() {
		n := e.Values().Get(i).Number()
		if n != 0 && (len(in) == 0 || in[n]) {
			names = append(names, string(e.Values().Get(i).Name()))
		}
	}
	return names
}
