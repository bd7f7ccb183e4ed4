package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/copayflow/copayflow/copay"
)

// literalRef begins a credential that stands in the file itself, which is for
// sandboxes (integrations.ResolveSecret).
const literalRef = "literal:"

// production refuses what only a sandbox may have: credentials in the file,
// platforms over plain HTTP, and answers that are made up.
func (c *Config) production(f *faults) {
	refs := map[string]string{"database.dsn": c.Database.DSN, "temporal.api_key": c.Temporal.APIKey}
	for i, k := range c.MasterKeys {
		refs[fmt.Sprintf("master_keys[%d]", i)] = k.Secret
	}
	for i, k := range c.CodecKeys {
		refs[fmt.Sprintf("codec_keys[%d]", i)] = k.Secret
	}
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if strings.HasPrefix(refs[name], literalRef) {
			f.add("%s: a credential must not stand in the file in production; give it as env:NAME or file:/path", name)
		}
	}
	for i := range c.Practices {
		for _, platform := range slices.Sorted(maps.Keys(c.Practices[i].Platforms)) {
			c.Practices[i].live(f, platform)
		}
	}
}

// live checks one platform's options.
func (p *Practice) live(f *faults, platform copay.Platform) {
	options := p.Platforms[platform]
	for _, name := range slices.Sorted(maps.Keys(options)) {
		at := fmt.Sprintf("practice %s: platforms.%s.%s", p.ID, platform, name)
		for _, v := range texts(options[name]) {
			switch {
			case strings.HasPrefix(v, literalRef):
				f.add("%s: a credential must not stand in the file in production; give it as env:NAME or file:/path", at)
			case strings.HasSuffix(name, "_url") && !strings.HasPrefix(v, "https://"):
				f.add("%s must be https in production: credentials and PHI go there", at)
			}
		}
		if name == "demo" && options[name] == true {
			f.add("%s: the platform's answers are made up; it is not for production", at)
		}
	}
}

// texts are the texts of an option: one, a list, or a table's values.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	case []any:
		var out []string
		for _, x := range v {
			out = append(out, texts(x)...)
		}
		return out
	case map[string]any:
		var out []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, texts(v[k])...)
		}
		return out
	}
	return nil
}
