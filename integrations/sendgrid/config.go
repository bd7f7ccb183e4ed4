// Package sendgrid mails patients through SendGrid's v3 API and reads its
// event webhook. SendGrid signs no business associate agreement, so a mail
// through it holds the practice's name, neutral words and a link, and no
// tracking.
package sendgrid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Platform is the platform's name in configuration, paths and records.
const Platform copay.Platform = "sendgrid"

// Config is the platform's section of a practice's configuration.
type Config struct {
	// APIKey needs the scope mail.send, and email_activity.read where the
	// email activity is used.
	APIKey integrations.Secret `mapstructure:"api_key"`
	// OnBehalfOf is the subuser to act for; one per practice keeps reputations
	// and suppressions apart.
	OnBehalfOf string `mapstructure:"on_behalf_of"`
	// From must be a verified sender or of an authenticated domain. FromName
	// is the practice's name when empty.
	From     string `mapstructure:"from"`
	FromName string `mapstructure:"from_name"`
	ReplyTo  string `mapstructure:"reply_to"`
	// UnsubscribeGroup is the suppression group (asm) of payment mail.
	UnsubscribeGroup int `mapstructure:"unsubscribe_group"`
	// Categories mark the mails in the account's statistics. No PHI: the
	// platform keeps them for long and shows them to its own staff.
	Categories []string `mapstructure:"categories"`

	// WebhookPublicKeys verify events: base64 of the DER key as the console
	// shows it; more than one while a webhook is being changed.
	WebhookPublicKeys []integrations.Secret `mapstructure:"webhook_public_keys"`
	// ReplayWindow is how old the time of a signed delivery may be. The
	// platform tries for a day.
	ReplayWindow time.Duration `mapstructure:"replay_window"`

	// EmailActivity says that the account has the add-on by which mails can be
	// looked up.
	EmailActivity bool `mapstructure:"email_activity"`
	// RetryUnknown is, without that add-on, how often a mail may be sent again
	// although an earlier attempt may have arrived; 1 when not set.
	RetryUnknown *int `mapstructure:"retry_unknown"`
	// UnknownWait is how long a mail whose outcome is not known rests: its
	// first event may come, or it may appear in the activity.
	UnknownWait time.Duration `mapstructure:"unknown_wait"`

	// SandboxMode has mails validated and not sent.
	SandboxMode    bool          `mapstructure:"sandbox_mode"`
	BaseURL        string        `mapstructure:"base_url"`
	Timeout        time.Duration `mapstructure:"timeout"`
	LimitPerSecond int           `mapstructure:"limit_per_second"`
}

// clockSkew is how far ahead of ours the time of a delivery may be.
const clockSkew = 10 * time.Minute

func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = "https://api.sendgrid.com"
	}
	if len(c.Categories) == 0 {
		c.Categories = []string{"copay"}
	}
	if c.ReplayWindow == 0 {
		c.ReplayWindow = 24*time.Hour + 10*time.Minute
	}
	if c.RetryUnknown == nil {
		once := 1
		c.RetryUnknown = &once
	}
	if c.UnknownWait == 0 {
		c.UnknownWait = time.Minute
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.LimitPerSecond == 0 {
		c.LimitPerSecond = 100
	}
	return c
}

// validate lists every fault at once; it never prints a credential.
func (c Config) validate() error {
	var faults []string
	bad := func(when bool, text string) {
		if when {
			faults = append(faults, text)
		}
	}
	bad(!strings.HasPrefix(c.APIKey.Reveal(), "SG."), "api_key begins with SG.")
	bad(!isAddress(c.From), "from must be a mail address")
	bad(c.ReplyTo != "" && !isAddress(c.ReplyTo), "reply_to must be a mail address")
	bad(len(c.Categories) > 10, "categories are at most ten")
	for _, name := range c.Categories {
		bad(name == "" || len(name) > 255, "a category has 1 to 255 characters")
	}
	bad(c.UnsubscribeGroup < 0, "unsubscribe_group is the number of a suppression group")
	bad(*c.RetryUnknown < 0, "retry_unknown is not negative")
	u, err := url.Parse(c.BaseURL)
	bad(err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"), "base_url must be an http(s) address")
	bad(c.ReplayWindow < 0 || c.UnknownWait < 0 || c.Timeout < 0 || c.LimitPerSecond < 0, "durations and rates are not negative")
	if _, err := c.publicKeys(); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return fmt.Errorf("sendgrid: %s", strings.Join(faults, "; "))
	}
	return nil
}

// publicKeys reads the keys: DER SubjectPublicKeyInfo in base64, curve P-256.
func (c Config) publicKeys() ([]*ecdsa.PublicKey, error) {
	var keys []*ecdsa.PublicKey
	for i, k := range c.WebhookPublicKeys {
		der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(k.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("webhook_public_keys: number %d is not base64", i+1)
		}
		pub, err := x509.ParsePKIXPublicKey(der)
		key, ok := pub.(*ecdsa.PublicKey)
		if err != nil || !ok || key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("webhook_public_keys: number %d is not an ECDSA key on P-256", i+1)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// isAddress takes a bare address only, no display name.
func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254
}
