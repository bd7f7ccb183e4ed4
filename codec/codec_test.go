package codec

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"
)

func key(id string, b byte) Key { return Key{ID: id, Bytes: bytes.Repeat([]byte{b}, 32)} }

func payload(s string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(s)}
}

func TestRoundTripHidesEverything(t *testing.T) {
	t.Parallel()
	c, err := New([]Key{key("k1", 1)})
	require.NoError(t, err)
	in := payload(`{"name":"Ana Sample"}`)
	enc, err := c.Encode([]*commonpb.Payload{in})
	require.NoError(t, err)
	raw, err := proto.Marshal(enc[0])
	require.NoError(t, err)
	require.NotContains(t, string(raw), "Ana")
	again, err := c.Encode(enc)
	require.NoError(t, err)
	require.True(t, proto.Equal(enc[0], again[0]), "never encrypted twice")
	dec, err := c.Decode(enc)
	require.NoError(t, err)
	require.True(t, proto.Equal(in, dec[0]))
	plain, err := c.Decode([]*commonpb.Payload{in})
	require.NoError(t, err)
	require.True(t, proto.Equal(in, plain[0]))
}

func TestRotation(t *testing.T) {
	t.Parallel()
	old, err := New([]Key{key("k1", 1)})
	require.NoError(t, err)
	rotated, err := New([]Key{key("k2", 2), key("k1", 1)})
	require.NoError(t, err)
	only, err := New([]Key{key("k2", 2)})
	require.NoError(t, err)
	enc, err := old.Encode([]*commonpb.Payload{payload("x")})
	require.NoError(t, err)
	dec, err := rotated.Decode(enc)
	require.NoError(t, err)
	require.Equal(t, "x", string(dec[0].Data))
	_, err = only.Decode(enc)
	require.ErrorIs(t, err, ErrUnknownKey)
	require.ErrorContains(t, err, "k1")
}

func TestTamperingIsNoticed(t *testing.T) {
	t.Parallel()
	c, err := New([]Key{key("k1", 1), key("k2", 2)})
	require.NoError(t, err)
	for name, tamper := range map[string]func(p *commonpb.Payload){
		"data":   func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 1 },
		"nonce":  func(p *commonpb.Payload) { p.Data[0] ^= 1 },
		"key id": func(p *commonpb.Payload) { p.Metadata[KeyIDField] = []byte("k2") },
		"short":  func(p *commonpb.Payload) { p.Data = p.Data[:4] },
	} {
		enc, err := c.Encode([]*commonpb.Payload{payload("x")})
		require.NoError(t, err)
		tamper(enc[0])
		_, err = c.Decode(enc)
		require.Error(t, err, name)
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	for _, keys := range [][]Key{nil, {{ID: "a", Bytes: []byte("short")}}, {key("", 1)}, {key("a", 1), key("a", 2)}} {
		_, err := New(keys)
		require.Error(t, err)
	}
}

func TestFailureTextsAreEncrypted(t *testing.T) {
	t.Parallel()
	c, err := New([]Key{key("k1", 1)})
	require.NoError(t, err)
	f := c.FailureConverter().ErrorToFailure(errors.New("patient Ana Sample"))
	raw, err := proto.Marshal(f)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "Ana")
	require.ErrorContains(t, c.FailureConverter().FailureToError(f), "Ana Sample")
}

func FuzzDecode(f *testing.F) {
	c, err := New([]Key{key("k1", 1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("k1"), []byte("0123456789ab0123456789abcdef"))
	f.Fuzz(func(t *testing.T, id, data []byte) {
		_, err := c.Decode([]*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte(Encoding), KeyIDField: id}, Data: data}})
		if err == nil {
			t.Fatal("what was not encrypted by us must not decode")
		}
	})
}
