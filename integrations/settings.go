package integrations

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/go-viper/mapstructure/v2"

	"github.com/copayflow/copayflow/copay"
)

// Settings is what a platform's constructor is given.
type Settings struct {
	Practice copay.PracticeID
	Platform copay.Platform
	// Options is the platform's section of the practice's configuration;
	// Decode turns it into the platform's typed config.
	Options map[string]any
	// RoundTripper is the bottom of the HTTP stack (nil: a default one). Tests
	// and the sandbox use the very same code with another base URL.
	RoundTripper http.RoundTripper
	// Tokens keeps OAuth2 tokens that rotate.
	Tokens TokenStore
	// Now is business time; nil means time.Now.
	Now func() time.Time
}

// Clock returns Now or time.Now.
func (s Settings) Clock() func() time.Time {
	if s.Now != nil {
		return s.Now
	}
	return time.Now
}

// Decode fills the platform's config struct (tags `mapstructure:"name"`) from
// Options. Fields of type Secret are resolved from their reference; durations
// are written like "30s"; unknown keys are an error, so a typo is found.
func (s Settings) Decode(into any) error {
	dec, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:           into,
		ErrorUnused:      true,
		WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			Exact, secretHook, mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	})
	if err != nil {
		return err
	}
	if err := dec.Decode(s.Options); err != nil {
		return fmt.Errorf("%s of practice %s: %w", s.Platform, s.Practice, err)
	}
	return nil
}

func secretHook(from, to reflect.Type, data any) (any, error) {
	if to != reflect.TypeFor[Secret]() || from.Kind() != reflect.String {
		return data, nil
	}
	return ResolveSecret(data.(string))
}

// Token is an OAuth2 token set of one practice at one platform.
type Token struct {
	Access    string
	Refresh   string
	ExpiresAt time.Time
	// Extra is what came with it and is needed later, such as a realm id.
	Extra map[string]string
}

// TokenStore keeps tokens across processes, encrypted.
type TokenStore interface {
	// Load returns the stored token, or a zero Token when there is none yet.
	Load(ctx context.Context, practice copay.PracticeID, platform copay.Platform) (Token, error)
	// Refresh runs renew under a lock that the whole fleet shares and stores
	// what it returns before anybody else sees it: a rotating refresh token is
	// used once. renew gets the newest stored token and may return it
	// unchanged when somebody else has refreshed meanwhile.
	Refresh(ctx context.Context, practice copay.PracticeID, platform copay.Platform,
		renew func(ctx context.Context, current Token) (Token, error)) (Token, error)
}
