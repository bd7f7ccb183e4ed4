package codec

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

func made(t *testing.T, keys ...Key) *Codec {
	t.Helper()
	c, err := New(keys)
	require.NoError(t, err)
	return c
}

type visit struct {
	Patient string
	Cents   int64
}

// What workflows hand over comes back as it was, of every type there is.
func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	dc := made(t, key("k1", 1)).DataConverter()
	in := visit{"Ana Sample", 2500}
	list, err := dc.ToPayloads(in, "Ana", 7, []byte("Ana"), nil, &commonpb.WorkflowExecution{WorkflowId: "Ana"}, map[string]visit{"Ana": in})
	require.NoError(t, err)
	require.Len(t, list.GetPayloads(), 7)
	raw, err := proto.Marshal(list)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "Ana")
	for _, p := range list.GetPayloads() {
		require.Len(t, p.GetMetadata(), 2, "the type of what is inside is hidden, too")
		require.Equal(t, Encoding, string(p.GetMetadata()[converter.MetadataEncoding]))
		require.Equal(t, "k1", string(p.GetMetadata()[KeyIDField]))
	}
	var out visit
	var text string
	var n int
	var data []byte
	var none *visit
	var message commonpb.WorkflowExecution
	var m map[string]visit
	require.NoError(t, dc.FromPayloads(list, &out, &text, &n, &data, &none, &message, &m))
	require.Equal(t, in, out)
	require.Equal(t, []any{"Ana", 7, "Ana", "Ana", in}, []any{text, n, string(data), message.GetWorkflowId(), m["Ana"]})
	require.Nil(t, none)

	// Histories of before encryption stay readable.
	old, err := converter.GetDefaultDataConverter().ToPayload(in)
	require.NoError(t, err)
	require.NoError(t, dc.FromPayload(old, &out))
}

// Equal values must not look equal: amounts and names could be guessed.
func TestEqualValuesLookDifferent(t *testing.T) {
	t.Parallel()
	c := made(t, key("k1", 1))
	seen := map[string]bool{}
	for range 100 {
		out, err := c.Encode([]*commonpb.Payload{payload("same"), payload("same")})
		require.NoError(t, err)
		for _, p := range out {
			require.False(t, seen[string(p.GetData())])
			seen[string(p.GetData())] = true
			require.NotEqual(t, p.GetData()[:12], make([]byte, 12), "a nonce is random")
		}
	}
}

// The caller's payloads are not touched, and a failing one spoils no others.
func TestWhatIsGivenStaysAsItWas(t *testing.T) {
	t.Parallel()
	c := made(t, key("k1", 1))
	in := payload("x")
	enc, err := c.Encode([]*commonpb.Payload{in})
	require.NoError(t, err)
	require.True(t, proto.Equal(payload("x"), in))
	before := proto.Clone(enc[0])
	_, err = c.Decode(enc)
	require.NoError(t, err)
	require.True(t, proto.Equal(before, enc[0]))

	out, err := c.Encode(nil)
	require.NoError(t, err)
	require.Empty(t, out)
	out, err = c.Encode([]*commonpb.Payload{{}, nil})
	require.NoError(t, err)
	out, err = c.Decode(out)
	require.NoError(t, err)
	require.Empty(t, out[0].GetData())
	require.Empty(t, out[1].GetData())
}

func TestWhatCannotBeReadSaysWhy(t *testing.T) {
	t.Parallel()
	c := made(t, key("k1", 1))
	good := func() *commonpb.Payload {
		out, err := c.Encode([]*commonpb.Payload{payload("Ana Sample")})
		require.NoError(t, err)
		return out[0]
	}
	other, err := made(t, key("k1", 9)).Encode([]*commonpb.Payload{payload("Ana Sample")})
	require.NoError(t, err)
	junk := make([]byte, c.current.aead.NonceSize())
	junk = c.current.aead.Seal(junk, junk, []byte("\xff\xffAna"), associated("k1"))
	for name, tc := range map[string]struct {
		p    *commonpb.Payload
		want string
	}{
		"a key that is not configured": {func() *commonpb.Payload { p := good(); p.Metadata[KeyIDField] = []byte("k7"); return p }(), `key id "k7"`},
		"no key named":                 {func() *commonpb.Payload { p := good(); delete(p.Metadata, KeyIDField); return p }(), `key id ""`},
		"another key of the same id":   {other[0], "altered or encrypted with another key"},
		"cut":                          {func() *commonpb.Payload { p := good(); p.Data = p.Data[:20]; return p }(), "altered"},
		"cut short":                    {func() *commonpb.Payload { p := good(); p.Data = p.Data[:11]; return p }(), "too short"},
		"empty":                        {func() *commonpb.Payload { p := good(); p.Data = nil; return p }(), "too short"},
		"sealed, but not a payload":    {func() *commonpb.Payload { p := good(); p.Data = junk; return p }(), "not a payload"},
	} {
		_, err := c.Decode([]*commonpb.Payload{good(), tc.p})
		require.ErrorContains(t, err, tc.want, name)
		require.NotContains(t, err.Error(), "Ana", name)
	}
}

// A failure has texts in many places; none of them is readable.
func TestFailuresHideAllTheirTexts(t *testing.T) {
	t.Parallel()
	c := made(t, key("k1", 1))
	f := c.FailureConverter().ErrorToFailure(temporal.NewApplicationErrorWithOptions("charge of Ana refused", "declined", temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{visit{"Ana Sample", 2500}}, Cause: fmt.Errorf("at the bank: %w", errors.New("card of Ana"))}))
	raw, err := proto.Marshal(f)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "Ana")
	require.NotContains(t, string(raw), "bank")
	for x := f; x != nil; x = x.GetCause() {
		require.Equal(t, "Encoded failure", x.GetMessage())
		require.Empty(t, x.GetStackTrace())
		require.NotNil(t, x.GetEncodedAttributes())
	}
	require.Equal(t, "declined", f.GetApplicationFailureInfo().GetType(), "what retries go by is not a text")

	back := c.FailureConverter().FailureToError(proto.Clone(f).(*failurepb.Failure))
	var app *temporal.ApplicationError
	require.ErrorAs(t, back, &app)
	require.Equal(t, "declined", app.Type())
	require.True(t, app.NonRetryable())
	require.ErrorContains(t, back, "charge of Ana refused")
	require.ErrorContains(t, errors.Unwrap(app), "card of Ana")
	var detail visit
	require.NoError(t, app.Details(&detail))
	require.Equal(t, "Ana Sample", detail.Patient)

	// Without the key the failure stays a failure.
	stranger := made(t, key("k2", 2)).FailureConverter().FailureToError(f)
	require.Error(t, stranger)
	require.NotContains(t, stranger.Error(), "Ana")
}

func TestKeysRotateThrough(t *testing.T) {
	t.Parallel()
	stages := []*Codec{made(t, key("k1", 1)), made(t, key("k2", 2), key("k1", 1)), made(t, key("k3", 3), key("k2", 2), key("k1", 1))}
	var all []*commonpb.Payload
	for i, c := range stages {
		out, err := c.Encode([]*commonpb.Payload{payload("x")})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("k%d", i+1), string(out[0].GetMetadata()[KeyIDField]), "the first encrypts")
		all = append(all, out...)
		got, err := c.Decode(all)
		require.NoError(t, err, "all that came before decrypt")
		require.Len(t, got, i+1)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	c := made(t, key("k1", 1))
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			want := fmt.Sprint("value ", i)
			for range 50 {
				enc, err := c.Encode([]*commonpb.Payload{payload(want)})
				if err == nil {
					enc, err = c.Decode(enc)
				}
				if err == nil && string(enc[0].GetData()) != want {
					err = fmt.Errorf("got %q", enc[0].GetData())
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

// A worker without the key neither fails a workflow nor drops what it was told:
// its task is tried again, by one that has the key.
func TestWorkflowsWaitForTheKey(t *testing.T) {
	t.Parallel()
	of := func(keys ...Key) converter.DataConverter { return made(t, keys...).DataConverter() }
	payload, err := of(key("k2", 2)).ToPayload("Ana")
	require.NoError(t, err)
	all := &commonpb.Payloads{Payloads: []*commonpb.Payload{payload}}
	var text string
	for name, dc := range map[string]converter.DataConverter{"no key of this name": of(key("k1", 1)), "another key of this name": of(key("k2", 3))} {
		require.Error(t, dc.FromPayload(payload, &text), "callers get an answer")
		require.Error(t, dc.(converter.ContextAware).WithContext(t.Context()).FromPayloads(all, &text), "so do activities")
		in := dc.(converter.ContextAware).WithWorkflowContext(nil)
		require.Panics(t, func() { _ = in.FromPayload(payload, &text) }, name)
		require.Panics(t, func() { _ = in.FromPayloads(all, &text) }, name)
	}
	in := of(key("k1", 1), key("k2", 2)).(converter.ContextAware).WithWorkflowContext(nil)
	require.NoError(t, in.FromPayload(payload, &text))
	require.Equal(t, "Ana", text)
	var n int
	require.Error(t, in.FromPayload(payload, &n), "of another type is another matter")
}
