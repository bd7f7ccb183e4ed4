// Package codec encrypts everything that reaches Temporal: inputs, results,
// signals, summaries and the texts of failures. Keys rotate: the first
// encrypts, all decrypt.
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

const (
	// Encoding marks an encrypted payload in its metadata.
	Encoding = "binary/encrypted"
	// KeyIDField names the key in a payload's metadata.
	KeyIDField = "encryption-key-id"
)

// Key is an AES-256 key with the id that payloads name it by.
type Key struct {
	ID    string
	Bytes []byte // 32
}

// ErrUnknownKey says that a payload was encrypted with a key that is not
// configured (any more).
var ErrUnknownKey = errors.New("the payload was encrypted with a key that is not configured")

var errOtherKey = errors.New("the payload was altered or encrypted with another key of the same id")

type sealer struct {
	id   string
	aead cipher.AEAD
}

// Codec is a converter.PayloadCodec.
type Codec struct {
	current sealer
	all     map[string]cipher.AEAD
}

// New makes a codec; keys[0] encrypts.
func New(keys []Key) (*Codec, error) {
	if len(keys) == 0 {
		return nil, errors.New("no codec key is configured")
	}
	c := &Codec{all: map[string]cipher.AEAD{}}
	for i, k := range keys {
		if k.ID == "" || len(k.Bytes) != 32 {
			return nil, fmt.Errorf("codec key %q must have an id and 32 bytes", k.ID)
		}
		if _, twice := c.all[k.ID]; twice {
			return nil, fmt.Errorf("codec key id %q is used twice", k.ID)
		}
		block, err := aes.NewCipher(k.Bytes)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		c.all[k.ID] = aead
		if i == 0 {
			c.current = sealer{k.ID, aead}
		}
	}
	return c, nil
}

// Encode encrypts payloads. One that is encrypted already stays as it is.
func (c *Codec) Encode(in []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(in))
	for i, p := range in {
		if string(p.GetMetadata()[converter.MetadataEncoding]) == Encoding {
			out[i] = p
			continue
		}
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		nonce := make([]byte, c.current.aead.NonceSize(), c.current.aead.NonceSize()+len(plain)+c.current.aead.Overhead())
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(Encoding), KeyIDField: []byte(c.current.id)},
			Data:     c.current.aead.Seal(nonce, nonce, plain, associated(c.current.id)),
		}
	}
	return out, nil
}

// Decode decrypts payloads; those that are not encrypted pass.
func (c *Codec) Decode(in []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(in))
	for i, p := range in {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != Encoding {
			out[i] = p
			continue
		}
		id := string(p.GetMetadata()[KeyIDField])
		aead, ok := c.all[id]
		if !ok {
			return nil, fmt.Errorf("%w: key id %q", ErrUnknownKey, id)
		}
		if len(p.Data) < aead.NonceSize() {
			return nil, errors.New("the payload is too short to be encrypted")
		}
		plain, err := aead.Open(nil, p.Data[:aead.NonceSize()], p.Data[aead.NonceSize():], associated(id))
		if err != nil {
			return nil, errOtherKey
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, errors.New("the decrypted payload is not a payload")
		}
	}
	return out, nil
}

// associated binds a ciphertext to its key's id.
func associated(id string) []byte { return []byte("copayflow/payload/" + id) }

// DataConverter is the SDK's default converter with c around it. In workflows
// it waits for a key that is missing.
func (c *Codec) DataConverter() converter.DataConverter {
	return dataConverter{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)}
}

// FailureConverter puts messages and stack traces of failures through c as
// well; they are plain text otherwise.
func (c *Codec) FailureConverter() converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: c.DataConverter(), EncodeCommonAttributes: true})
}
