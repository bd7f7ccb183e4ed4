package stripesim

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzForm reads arbitrary forms. What is accepted keeps every value under its
// name, and says the same again when it is written in another order.
func FuzzForm(f *testing.F) {
	f.Add("amount=2500&currency=usd&metadata[a]=b&expand[]=x&expand[]=y")
	f.Add("line_items[0][price_data][unit_amount]=1&line_items[1][quantity]=2&a=%00&b=%zz")
	f.Add("a[b=1&a]=2&[=3&]=4&a[][b]=5&=6&metadata[a.b]=7")
	schema := with(pExpand, pMeta, pConfirm, pIntent)
	f.Fuzz(func(t *testing.T, text string) {
		p, e := parseForm(text)
		if e != nil {
			require.Equal(t, 400, e.status)
			return
		}
		again := url.Values{}
		for path, v := range p.vals {
			require.Contains(t, p.raw, path)
			again.Set(bracketed(path), v)
		}
		q, e := parseForm(again.Encode())
		require.Nil(t, e)
		require.Equal(t, p.canonical(), q.canonical())
		if e := p.check(schema); e != nil {
			require.Equal(t, 400, e.status)
			require.NotEmpty(t, e.Message)
		}
	})
}

// bracketed writes a path as it stands in a form.
func bracketed(path string) string {
	var out []byte
	depth := 0
	for i := range len(path) {
		switch {
		case path[i] != '.':
			out = append(out, path[i])
			continue
		case depth > 0:
			out = append(out, ']')
		}
		out, depth = append(out, '['), depth+1
	}
	if depth > 0 {
		out = append(out, ']')
	}
	return string(out)
}

// FuzzSearch reads arbitrary queries of the search language. What is accepted
// names a field and a comparison in every clause and can be asked of an object.
func FuzzSearch(f *testing.F) {
	f.Add(`metadata['patient_ref']:'o\'hara' AND metadata["practice"]:"lakeside"`)
	f.Add(`email~"example" OR -email:"nobody"`)
	f.Add(`created>=1 amount<5`)
	f.Add(`-[`)
	f.Add(`metadata['`)
	w := obj{"created": int64(7), "email": "a@example.org", "metadata": obj{"practice": "lakeside"}, "customer": nil}
	f.Fuzz(func(t *testing.T, query string) {
		clauses, or, e := parseQuery(query)
		if e != nil {
			require.Equal(t, 400, e.status)
			return
		}
		require.NotEmpty(t, clauses)
		require.LessOrEqual(t, len(clauses), 10)
		for _, c := range clauses {
			require.NotEmpty(t, c.field)
			require.Contains(t, []string{":", "~", "<", ">", "<=", ">="}, c.op)
			turned := c
			turned.negate = !c.negate
			require.NotEqual(t, c.hits(w), turned.hits(w), "a clause or its opposite holds")
		}
		matches(w, clauses, or)
	})
}
