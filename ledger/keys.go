package ledger

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"maps"

	"github.com/copayflow/copayflow/copay"
)

// KeyProvider wraps and unwraps the practices' keys with master keys that it
// keeps, in memory or in a key service. ad binds a wrapped key to its use.
type KeyProvider interface {
	// CurrentKeyID names the master key that new keys are wrapped with.
	CurrentKeyID(ctx context.Context) (string, error)
	Wrap(ctx context.Context, keyID string, plain, ad []byte) ([]byte, error)
	Unwrap(ctx context.Context, keyID string, wrapped, ad []byte) ([]byte, error)
}

// StaticKeys is a KeyProvider over master keys given by configuration.
type StaticKeys struct {
	current string
	keys    map[string][]byte
}

// NewStaticKeys takes master keys of 32 bytes by id; current is the one for
// new keys, the others are needed until RewrapKeys has run.
func NewStaticKeys(current string, keys map[string][]byte) (*StaticKeys, error) {
	for id, k := range keys {
		if id == "" || len(id) > 64 || len(k) != keySize {
			return nil, copay.Errorf(copay.CodeInvalid, "keys", "a master key has an id of 1 to 64 characters and exactly 32 bytes")
		}
	}
	if keys[current] == nil {
		return nil, copay.Errorf(copay.CodeInvalid, "keys", "the current master key %q is not among the keys", current)
	}
	return &StaticKeys{current: current, keys: maps.Clone(keys)}, nil
}

// CurrentKeyID implements KeyProvider.
func (k *StaticKeys) CurrentKeyID(context.Context) (string, error) { return k.current, nil }

// Wrap implements KeyProvider.
func (k *StaticKeys) Wrap(_ context.Context, keyID string, plain, ad []byte) ([]byte, error) {
	key, err := k.key(keyID)
	if err != nil {
		return nil, err
	}
	return sealWith(key, plain, ad)
}

// Unwrap implements KeyProvider.
func (k *StaticKeys) Unwrap(_ context.Context, keyID string, wrapped, ad []byte) ([]byte, error) {
	key, err := k.key(keyID)
	if err != nil {
		return nil, err
	}
	return openWith(key, wrapped, ad)
}

func (k *StaticKeys) key(id string) ([]byte, error) {
	if key := k.keys[id]; key != nil {
		return key, nil
	}
	return nil, copay.Errorf(copay.CodePrecondition, "keys", "the master key %q that a practice's key is wrapped with is not configured", id)
}

// String and GoString keep keys out of anything printed.
func (k *StaticKeys) String() string   { return "ledger.StaticKeys" }
func (k *StaticKeys) GoString() string { return "ledger.StaticKeys" }

const keySize = 32

var errSealed error = copay.Errorf(copay.CodePrecondition, "", "sealed data cannot be opened: it was altered, belongs elsewhere, or its key is gone")

// sealWith encrypts with AES-256-GCM under a random nonce, which goes first.
func sealWith(key, plain, ad []byte) ([]byte, error) {
	g, err := gcm(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, g.NonceSize(), g.NonceSize()+len(plain)+g.Overhead())
	if _, err := rand.Read(out); err != nil {
		return nil, err
	}
	return g.Seal(out, out, plain, ad), nil
}

func openWith(key, sealed, ad []byte) ([]byte, error) {
	g, err := gcm(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < g.NonceSize() {
		return nil, errSealed
	}
	plain, err := g.Open(nil, sealed[:g.NonceSize()], sealed[g.NonceSize():], ad)
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}
