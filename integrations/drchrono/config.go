// Package drchrono connects a practice's DrChrono (REST API v4): charges,
// patients and their coverage, the EHR's own eligibility checks, and the
// posting of patient payments.
package drchrono

import (
	"errors"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// Platform is the platform's name.
const Platform copay.Platform = "drchrono"

// Config is the platform's section of a practice's configuration.
type Config struct {
	BaseURL      string              `mapstructure:"base_url"` // default https://app.drchrono.com
	ClientID     string              `mapstructure:"client_id"`
	ClientSecret integrations.Secret `mapstructure:"client_secret"`
	// RefreshToken is used while the token store is empty, and when the stored
	// one is refused: a practice that agreed anew is connected again by it.
	RefreshToken integrations.Secret `mapstructure:"refresh_token"`
	// WebhookSecret is the "secret token" of the webhook in the console.
	WebhookSecret integrations.Secret `mapstructure:"webhook_secret"`
	// LimitPerSecond and LimitPerHour are kept below DrChrono's 10 a second
	// and 500 an hour per application.
	LimitPerSecond int `mapstructure:"limit_per_second"`
	LimitPerHour   int `mapstructure:"limit_per_hour"`
	// SettleDelay is how long lists may lag behind writes: after an open
	// outcome, "not found" is only believed this long after the attempt.
	SettleDelay time.Duration `mapstructure:"settle_delay"`
	Timeout     time.Duration `mapstructure:"timeout"`
}

func (c *Config) defaults() error {
	if c.BaseURL == "" {
		c.BaseURL = "https://app.drchrono.com"
	}
	if c.LimitPerSecond == 0 {
		c.LimitPerSecond = 8
	}
	if c.LimitPerHour == 0 {
		c.LimitPerHour = 480
	}
	if c.SettleDelay == 0 {
		c.SettleDelay = 10 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	switch {
	case c.ClientID == "" || c.ClientSecret.IsZero():
		return errors.New("client_id and client_secret are missing; they stand in the API management console")
	case c.LimitPerSecond < 0 || c.LimitPerHour < 0:
		return errors.New("limits must be positive")
	case c.SettleDelay < 0 || c.Timeout < 0: // a list would be believed before it has caught up
		return errors.New("settle_delay and timeout must not be negative")
	}
	return nil
}
