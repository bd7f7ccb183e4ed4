package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// faults collects everything that is wrong.
type faults struct{ all []error }

func (f *faults) add(format string, args ...any) {
	f.all = append(f.all, fmt.Errorf("  - "+format, args...))
}

// Validate lists all faults at once, each in a sentence that says what to mend.
func (c *Config) Validate() error {
	f := &faults{}
	if !slices.Contains([]string{"dev", "staging", "production"}, c.Env) {
		f.add("env must be dev, staging or production")
	}
	if !isURL(c.PublicURL) {
		f.add("public_url must be the http(s) address under which platforms and patients reach the API")
	}
	if c.Env == "production" && !strings.HasPrefix(c.PublicURL, "https://") {
		f.add("public_url must be https in production")
	}
	secret(f, "database.dsn", c.Database.DSN)
	keys(f, "master_keys", c.MasterKeys)
	keys(f, "codec_keys", c.CodecKeys)
	c.validateAuth(f)
	if c.Temporal.APIKey != "" {
		secret(f, "temporal.api_key", c.Temporal.APIKey)
	}
	if c.Dev.ClockFile != "" && c.Env != "dev" {
		f.add("dev.clock_file moves time and is only for env dev")
	}
	if len(c.Practices) == 0 {
		f.add("practices: configure at least one practice")
	}
	seen := map[copay.PracticeID]bool{}
	for i := range c.Practices {
		p := &c.Practices[i]
		if seen[p.ID] {
			f.add("practice %s stands there twice", p.ID)
		}
		seen[p.ID] = true
		p.validate(f)
	}
	return errors.Join(f.all...)
}

func (c *Config) validateAuth(f *faults) {
	if c.Auth.Dev.Enabled {
		if c.Env != "dev" {
			f.add("auth.dev lets anybody mint tokens and is only for env dev")
		}
		secret(f, "auth.dev.secret", c.Auth.Dev.Secret)
	}
	if len(c.Auth.OIDC) == 0 && len(c.Auth.APIKeys) == 0 && !c.Auth.Dev.Enabled {
		f.add("auth: configure an OIDC issuer or an API key, or nobody can call")
	}
	for i, o := range c.Auth.OIDC {
		if !isURL(o.Issuer) || o.Audience == "" {
			f.add("auth.oidc[%d] needs an issuer address and an audience", i)
		}
	}
	for i, k := range c.Auth.APIKeys {
		if b, err := hex.DecodeString(k.SHA256); k.ID == "" || err != nil || len(b) != 32 {
			f.add("auth.api_keys[%d] needs an id and the key's SHA-256 in hex", i)
		}
		if len(k.Practices) == 0 {
			f.add("auth.api_keys[%d] names no practice", i)
		}
		for _, r := range k.Roles {
			if !knownRole(copay.Role(r)) {
				f.add("auth.api_keys[%d]: there is no role %q", i, r)
			}
		}
	}
}

func knownRole(r copay.Role) bool {
	return slices.Contains([]copay.Role{copay.RoleFrontDesk, copay.RoleBiller, copay.RoleAuditor, copay.RoleAdmin, copay.RoleService}, r)
}

func (p *Practice) validate(f *faults) {
	at := "practice " + string(p.ID)
	if err := p.ID.Validate(); err != nil {
		f.add("%s: %v", at, err)
	}
	if p.Name == "" || p.Phone == "" {
		f.add("%s needs a name and a phone: every message to a patient says both", at)
	}
	if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "" {
		f.add("%s: time_zone must be an IANA zone such as America/Chicago", at)
	}
	if !isURL(p.PayURL) {
		f.add("%s: pay_url must be an http(s) address", at)
	}
	if (p.Consent.Source == "") != (p.Consent.TextVersion == "") {
		f.add("%s: consent.source and consent.text_version belong together", at)
	}
	if p.PayPage.SecondFactor != FactorBirthDate && p.PayPage.SecondFactor != FactorNone {
		f.add("%s: pay_page.second_factor must be birth_date or none", at)
	}
	p.validatePorts(f, at)
	if p.CatchUp > 0 && p.CatchUp < time.Minute {
		f.add("%s: catch_up must be a minute or more, or below zero for never", at)
	}
	if _, err := p.Policy.Build(); err != nil {
		f.add("%s: %v", at, err)
	}
	r := p.Policy.Reminders
	if (r.QuietUntil != 0 && r.QuietUntil < 8) || r.QuietFrom > 21 || (r.QuietFrom != 0 && r.QuietFrom <= r.QuietUntil) {
		f.add("%s: reminders may go out from 8 to 21 o'clock at the widest (47 CFR 64.1200(c)(1)); narrow quiet_until and quiet_from", at)
	}
	if !slices.Contains([]string{"", string(copay.TrueUpAuto), string(copay.TrueUpReview)}, p.Policy.TrueUp) {
		f.add("%s: policy.true_up must be auto or review", at)
	}
	for _, c := range r.Channels {
		if c != string(copay.ChannelSMS) && c != string(copay.ChannelEmail) {
			f.add("%s: there is no message channel %q; use sms or email", at, c)
		}
	}
}

func (p *Practice) validatePorts(f *faults, at string) {
	for _, port := range Ports {
		if port.Required && len(p.Ports[port.Name]) == 0 {
			f.add("%s: ports.%s names no platform", at, port.Name)
		}
	}
	for name, platforms := range p.Ports {
		if !slices.ContainsFunc(Ports, func(q struct {
			Name     string
			Required bool
		}) bool {
			return q.Name == name
		}) {
			f.add("%s: there is no port %q", at, name)
		}
		for _, platform := range platforms {
			if _, ok := p.Platforms[platform]; !ok {
				f.add("%s: ports.%s names %s, which is not among its platforms", at, name, platform)
			}
		}
	}
	for platform, perSecond := range p.RateLimited {
		if _, ok := p.Platforms[platform]; !ok || perSecond <= 0 {
			f.add("%s: rate_limited.%s must name one of its platforms and a positive rate", at, platform)
		}
	}
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func secret(f *faults, name, ref string) {
	if _, err := integrations.ResolveSecret(ref); err != nil {
		f.add("%s: %v", name, err)
	}
}

func keys(f *faults, name string, list []KeyRef) {
	if len(list) == 0 {
		f.add("%s: configure at least one key (openssl rand -base64 32)", name)
	}
	for i, k := range list {
		if k.ID == "" {
			f.add("%s[%d] needs an id", name, i)
		}
		if _, err := k.Bytes(); err != nil {
			f.add("%s[%d]: %v", name, i, err)
		}
	}
}
