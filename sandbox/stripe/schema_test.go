package stripesim

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/spectest"
)

// officialSpec loads the official specification from beside the repository.
func officialSpec(t *testing.T) *openapi3.T {
	t.Helper()
	raw, err := os.ReadFile(spectest.Path("stripe", "stripe-openapi-2023-08-16-trimmed.json"))
	if err != nil {
		t.Skip("the Stripe specification is not beside the repository (COPAYFLOW_SPECS): the simulator's parameters were not checked against it")
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	require.NoError(t, err)
	return doc
}

// TestParametersAreThePlatforms holds every operation and parameter that the
// simulator takes to the official specification: what it takes beyond that
// would let a request pass here that the platform refuses.
func TestParametersAreThePlatforms(t *testing.T) {
	t.Parallel()
	doc := officialSpec(t)
	for _, rt := range routes().routes {
		if rt.path == "/v1/balance" { // the trimmed text leaves it out
			continue
		}
		op := specified(doc, rt)
		require.NotNil(t, op, "%s %s is not in the specification", rt.method, rt.path)
		for _, entry := range rt.params {
			pattern, kind, _ := strings.Cut(entry, ":")
			found := parameter(op, rt.method, strings.Split(pattern, "."))
			if !assertKnown(t, rt, entry, found) {
				continue
			}
			allowed := enumOf(found)
			for value := range strings.SplitSeq(kind, "|") {
				if len(allowed) > 0 && strings.Contains(kind, "|") && !slices.Contains(allowed, value) {
					t.Errorf("%s %s takes %q, where the platform knows no %q", rt.method, rt.path, entry, value)
				}
			}
		}
	}
}

func assertKnown(t *testing.T, rt *route, entry string, found *openapi3.Schema) bool {
	t.Helper()
	if found == nil {
		t.Errorf("%s %s takes %q, which the platform does not", rt.method, rt.path, entry)
	}
	return found != nil
}

// specified finds the operation of a route; the names of variables differ.
func specified(doc *openapi3.T, rt *route) *openapi3.Operation {
	segs := strings.Split(rt.path, "/")
	for path, item := range doc.Paths.Map() {
		if slices.EqualFunc(strings.Split(path, "/"), segs, func(a, b string) bool {
			return a == b || (strings.HasPrefix(a, "{") && strings.HasPrefix(b, "{"))
		}) {
			return item.GetOperation(rt.method)
		}
	}
	return nil
}

// parameter finds the schema of a parameter by its path, nil when there is none.
func parameter(op *openapi3.Operation, method string, segs []string) *openapi3.Schema {
	if method == get {
		for _, p := range op.Parameters {
			if p.Value.In == "query" && p.Value.Name == segs[0] {
				return descend(p.Value.Schema.Value, segs[1:])
			}
		}
		return nil
	}
	if op.RequestBody == nil {
		return nil
	}
	form := op.RequestBody.Value.Content["application/x-www-form-urlencoded"]
	if form == nil || form.Schema == nil {
		return nil
	}
	return descend(form.Schema.Value, segs)
}

// descend follows a path through objects, lists and alternatives; "*" is an
// index of a list or a free key of an object.
func descend(s *openapi3.Schema, segs []string) *openapi3.Schema {
	if len(segs) == 0 || s == nil {
		return s
	}
	for _, alternative := range s.AnyOf {
		if found := descend(alternative.Value, segs); found != nil {
			return found
		}
	}
	var next *openapi3.SchemaRef
	switch {
	case segs[0] == "*" && s.Items != nil:
		next = s.Items
	case segs[0] == "*":
		next = s.AdditionalProperties.Schema
	default:
		next = s.Properties[segs[0]]
	}
	if next == nil {
		return nil
	}
	return descend(next.Value, segs[1:])
}

// enumOf gathers the values that a schema allows.
func enumOf(s *openapi3.Schema) []string {
	var out []string
	for _, alternative := range s.AnyOf {
		out = append(out, enumOf(alternative.Value)...)
	}
	for _, v := range s.Enum {
		if text, ok := v.(string); ok {
			out = append(out, text)
		}
	}
	return out
}
