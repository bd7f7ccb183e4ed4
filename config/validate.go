package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
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

// exampleHash stood in the example once: it is that of "foo", for a caller that
// may start co-pays.
const exampleHash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

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
	if c.Database.MaxConns < 0 || c.Database.MaxConns > maxConns {
		f.add("database.max_conns must be between 0 (the default) and %d", maxConns)
	}
	keys(f, "master_keys", c.MasterKeys)
	keys(f, "codec_keys", c.CodecKeys)
	for i, o := range c.Codec.UIOrigins {
		if !isOrigin(o) {
			f.add("codec.ui_origins[%d] must be the Temporal UI's address without a path, such as https://temporal.example.com: browsers send it so, and it is compared as it is", i)
		}
	}
	c.validateAuth(f)
	c.Listen.validate(f)
	c.Temporal.validate(f)
	c.Telemetry.validate(f)
	if c.Worker.MaxActivities < 0 || c.Worker.MaxWorkflowTasks < 0 || c.Worker.StickyCache < 0 {
		f.add("worker.max_activities, worker.max_workflow_tasks and worker.sticky_cache cannot be negative")
	}
	if c.Dev.ClockFile != "" && c.Env != "dev" {
		f.add("dev.clock_file moves time and is only for env dev")
	}
	c.validatePractices(f)
	if c.Env == "production" {
		c.production(f)
	}
	return errors.Join(f.all...)
}

func (c *Config) validatePractices(f *faults) {
	if len(c.Practices) == 0 {
		f.add("practices: configure at least one practice")
	}
	seen := map[copay.PracticeID]bool{}
	for i := range c.Practices {
		p := &c.Practices[i]
		if seen[p.ID] {
			f.add("practices[%d].id: practice %s stands there twice", i, p.ID)
		}
		seen[p.ID] = true
		p.validate(f)
		if c.Env == "production" && !strings.HasPrefix(p.PayURL, "https://") {
			f.add("practice %s: pay_url must be https in production", p.ID)
		}
	}
}

// maxConns is more than any one process should take of a database.
const maxConns = 10_000

func (l *Listen) validate(f *faults) {
	if (l.TLS.Cert == "") != (l.TLS.Key == "") {
		f.add("listen.tls.cert and listen.tls.key belong together")
	}
	if l.TLS.ClientCA != "" && l.TLS.Cert == "" {
		f.add("listen.tls.client_ca needs listen.tls.cert and listen.tls.key: without TLS nobody can show a certificate")
	}
	if l.Drain < 0 || l.Drain > maxDrain {
		f.add("listen.drain is 0 to %s, not %s", maxDrain, l.Drain)
	}
}

// maxDrain is longer than any load balancer takes to notice.
const maxDrain = 5 * time.Minute

func (t *Temporal) validate(f *faults) {
	if t.APIKey != "" {
		secret(f, "temporal.api_key", t.APIKey)
	}
	if t.Retention < 24*time.Hour {
		f.add("temporal.retention must be at least 24h, the least a namespace takes")
	}
	if (t.TLS.Cert == "") != (t.TLS.Key == "") {
		f.add("temporal.tls.cert and temporal.tls.key belong together")
	}
	if !t.TLS.Enabled && t.TLS != (TLS{}) {
		f.add("temporal.tls.enabled is not set, but other settings of temporal.tls are: without it the connection would not be encrypted")
	}
}

func (t *Telemetry) validate(f *faults) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(t.LogLevel)); err != nil {
		f.add("telemetry.log_level must be debug, info, warn or error")
	}
	if !slices.Contains([]string{"json", "text"}, t.LogFormat) {
		f.add("telemetry.log_format must be json or text")
	}
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
	issuers, ids := map[string]bool{}, map[string]bool{}
	for i, o := range c.Auth.OIDC {
		if !isURL(o.Issuer) || o.Audience == "" {
			f.add("auth.oidc[%d] needs an issuer address and an audience", i)
		}
		if c.Env == "production" && !strings.HasPrefix(o.Issuer, "https://") {
			f.add("auth.oidc[%d].issuer must be https in production: its keys decide who may call", i)
		}
		if issuers[o.Issuer] {
			f.add("auth.oidc[%d].issuer stands there twice; only one audience of it could count", i)
		}
		issuers[o.Issuer] = true
	}
	for i, k := range c.Auth.APIKeys {
		if ids[k.ID] {
			f.add("auth.api_keys[%d].id %s is used twice", i, k.ID)
		}
		ids[k.ID] = true
		if strings.Contains(k.ID, ".") {
			f.add("auth.api_keys[%d].id must not hold a dot: it parts id and secret", i)
		}
		if b, err := hex.DecodeString(k.SHA256); k.ID == "" || err != nil || len(b) != 32 {
			f.add("auth.api_keys[%d] needs an id and the key's SHA-256 in hex", i)
		}
		if strings.EqualFold(k.SHA256, exampleHash) {
			f.add("auth.api_keys[%d] is the example's, which everybody knows; make one with 'copay api-key %s --for PRACTICE'", i, k.ID)
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
		f.add("%s: id: %v", at, err)
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
	if d := (copay.ReminderPolicy{QuietFrom: r.QuietFrom, QuietUntil: r.QuietUntil}).WithDefaults(); d.QuietUntil >= d.QuietFrom {
		f.add("%s: policy.reminders.quiet_until must be before quiet_from, or no message ever goes out", at)
	}
	p.Policy.validate(f, at)
	if !slices.Contains([]string{"", string(copay.TrueUpAuto), string(copay.TrueUpReview)}, p.Policy.TrueUp) {
		f.add("%s: policy.true_up must be auto or review", at)
	}
	for _, c := range r.Channels {
		if c != string(copay.ChannelSMS) && c != string(copay.ChannelEmail) {
			f.add("%s: policy.reminders.channels: there is no message channel %q; use sms or email", at, c)
		}
	}
}

// validate checks the numbers; what was left open is zero and gets a default.
func (p *Policy) validate(f *faults, at string) {
	if p.MinConfidence < 0 || p.MinConfidence > 100 {
		f.add("%s: policy.min_confidence must be between 0 and 100", at)
	}
	if b, err := p.Build(); err == nil && b.MinAmount.Minor > b.MaxAmount.Minor {
		f.add("%s: policy.min_amount is more than policy.max_amount", at)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"eligibility_fresh", p.EligibilityFresh}, {"eligibility_deadline", p.EligibilityDeadline}, {"card_notice", p.CardNotice}, {"card_term", p.CardTerm}, {"link_lifetime", p.LinkLifetime},
		{"give_up_after", p.GiveUpAfter}, {"poll_every", p.PollEvery}, {"call_timeout", p.CallTimeout}} {
		if d.value < 0 {
			f.add("%s: policy.%s cannot be negative", at, d.name)
		}
	}
	if r := p.Reminders; r.MaxPerDay < 0 || r.MaxPerWeek < 0 || r.MaxTotal < 0 {
		f.add("%s: policy.reminders.max_per_day, max_per_week and max_total cannot be negative", at)
	}
	for i, after := range p.Reminders.Ladder {
		if after <= 0 || (i > 0 && after <= p.Reminders.Ladder[i-1]) {
			f.add("%s: policy.reminders.ladder must be times after the request, each later than the one before", at)
			break
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
			f.add("%s: ports: there is no port %q", at, name)
		}
		for i, platform := range platforms {
			if slices.Contains(platforms[:i], platform) {
				f.add("%s: ports.%s names %s twice", at, name, platform)
			}
			if _, ok := p.Platforms[platform]; !ok {
				f.add("%s: ports.%s names %s, which is not among its platforms", at, name, platform)
			}
		}
	}
	for platform, perSecond := range p.RateLimited {
		if _, ok := p.Platforms[platform]; !ok || !(perSecond > 0) || math.IsInf(perSecond, 1) { // also not a number
			f.add("%s: rate_limited.%s must name one of its platforms and a positive rate", at, platform)
		}
	}
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// isOrigin reports whether s is what a browser may send as an Origin.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isURL(s) && s == u.Scheme+"://"+strings.ToLower(u.Host)
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
	seen := map[string]bool{}
	for i, k := range list {
		if seen[k.ID] {
			f.add("%s[%d].id %s is used twice; a new key needs a new id, or what the old one sealed cannot be opened", name, i, k.ID)
		}
		seen[k.ID] = true
		if k.ID == "" {
			f.add("%s[%d] needs an id", name, i)
		}
		if _, err := k.Bytes(); err != nil {
			f.add("%s[%d]: %v", name, i, err)
		}
	}
}
