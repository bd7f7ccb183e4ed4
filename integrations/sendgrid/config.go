// Package sendgrid sends mail through SendGrid and reads its event webhook.
// SendGrid signs no business associate agreement: what goes through it is the
// practice's name, neutral words and a link.
package sendgrid

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/mail"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Platform is the platform's name.
const Platform copay.Platform = "sendgrid"

// Config is the platform's section of a practice's configuration.
type Config struct {
	BaseURL string              `mapstructure:"base_url"` // default https://api.sendgrid.com
	APIKey  integrations.Secret `mapstructure:"api_key"`
	// From must be a verified sender or of an authenticated domain.
	From    string `mapstructure:"from"`
	ReplyTo string `mapstructure:"reply_to"`
	// UnsubscribeGroup is the suppression group (asm) of payment mail.
	UnsubscribeGroup int `mapstructure:"unsubscribe_group"`
	// WebhookPublicKeys verify events: base64 of the DER key from the console;
	// more than one while a webhook is being changed.
	WebhookPublicKeys []integrations.Secret `mapstructure:"webhook_public_keys"`
	// ReplayWindow is how old a signed delivery may be: SendGrid retries for a day.
	ReplayWindow time.Duration `mapstructure:"replay_window"`
	// EmailActivity says that the paid add-on is there, by which a mail whose
	// outcome is open can be looked up. Without it such a mail is not sent again.
	EmailActivity bool `mapstructure:"email_activity"`
	// SandboxMode validates and sends nothing.
	SandboxMode bool          `mapstructure:"sandbox_mode"`
	Timeout     time.Duration `mapstructure:"timeout"`

	keys []*ecdsa.PublicKey
}

func (c *Config) defaults() error {
	if c.BaseURL == "" {
		c.BaseURL = "https://api.sendgrid.com"
	}
	if c.ReplayWindow == 0 {
		c.ReplayWindow = 24*time.Hour + 10*time.Minute
	}
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.APIKey.IsZero() {
		return errors.New("api_key is missing")
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return errors.New("from must be a mail address")
	}
	for _, k := range c.WebhookPublicKeys {
		der, err := base64.StdEncoding.DecodeString(k.Reveal())
		if err != nil {
			return errors.New("a webhook public key is not base64")
		}
		pub, err := x509.ParsePKIXPublicKey(der)
		key, ok := pub.(*ecdsa.PublicKey)
		if err != nil || !ok {
			return fmt.Errorf("a webhook public key is not an ECDSA key")
		}
		c.keys = append(c.keys, key)
	}
	return nil
}
