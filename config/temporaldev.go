package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/copayflow/copayflow/integrations"
)

// TemporalDev is temporal-dev.yaml: the development server, and the search
// attributes that are registered on every cluster.
type TemporalDev struct {
	Namespace        string            `koanf:"namespace"`
	Retention        time.Duration     `koanf:"retention"`
	Ports            DevPorts          `koanf:"ports"`
	SearchAttributes map[string]string `koanf:"search_attributes"` // name: Keyword, Datetime, Bool…
	DynamicConfig    []DynamicValue    `koanf:"dynamic_config"`
	UI               DevUI             `koanf:"ui"`
}

// DevPorts are the ports on this machine.
type DevPorts struct {
	Temporal int `koanf:"temporal"`
	UI       int `koanf:"ui"`
	HTTP     int `koanf:"http"`
	GRPC     int `koanf:"grpc"`
	Metrics  int `koanf:"metrics"`
	Postgres int `koanf:"postgres"`
	// Sandbox is the sandbox's page; the simulators follow on the next ports.
	Sandbox int `koanf:"sandbox"`
}

// DynamicValue is one setting of the server's dynamic configuration.
type DynamicValue struct {
	Key   string `koanf:"key"`
	Value any    `koanf:"value"`
}

// DevUI is the web UI.
type DevUI struct {
	CodecPath string `koanf:"codec_path"` // on the API
}

// AttributeTypes are the types a search attribute may have.
var AttributeTypes = []string{"Keyword", "Text", "Int", "Double", "Bool", "Datetime", "KeywordList"}

// LoadTemporalDev reads temporal-dev.yaml.
func LoadTemporalDev(path string) (TemporalDev, error) {
	var t TemporalDev
	if _, err := os.Stat(path); err != nil {
		return t, fmt.Errorf("%s cannot be read; run from the repository's root or name it with --temporal-config", path)
	}
	// Another delimiter: keys of the dynamic configuration contain dots.
	k := koanf.New("/")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return t, fmt.Errorf("%s is not valid YAML: %w", path, err)
	}
	err := k.UnmarshalWithConf("", &t, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: &mapstructure.DecoderConfig{
		TagName: "koanf", Result: &t, ErrorUnused: true, WeaklyTypedInput: true, DecodeHook: mapstructure.ComposeDecodeHookFunc(integrations.Exact, mapstructure.StringToTimeDurationHookFunc())}})
	if err != nil {
		return t, fmt.Errorf("%s has faults:\n%w", path, misspelt(err))
	}
	if t.Namespace == "" || t.Retention < 24*time.Hour {
		return t, fmt.Errorf("%s needs a namespace and a retention of at least a day", path)
	}
	for name, typ := range t.SearchAttributes {
		if !slices.Contains(AttributeTypes, typ) {
			return t, fmt.Errorf("%s: search attribute %s has the unknown type %q", path, name, typ)
		}
	}
	f := &faults{}
	t.Ports.validate(f)
	if len(f.all) > 0 {
		return t, fmt.Errorf("%s has faults:\n%w", path, errors.Join(f.all...))
	}
	return t, nil
}

// validate tells of ports that there are not and of those named twice, which
// otherwise seem taken by another program. None named is none needed.
func (p DevPorts) validate(f *faults) {
	by := map[int]string{}
	for _, x := range []struct {
		name string
		port int
	}{{"temporal", p.Temporal}, {"ui", p.UI}, {"http", p.HTTP}, {"grpc", p.GRPC}, {"metrics", p.Metrics}, {"postgres", p.Postgres}, {"sandbox", p.Sandbox}} {
		switch other := by[x.port]; {
		case x.port < 0 || x.port > 65535:
			f.add("ports.%s must be between 1 and 65535", x.name)
		case x.port != 0 && other != "":
			f.add("ports.%s is the port of %s; give each its own", x.name, other)
		default:
			by[x.port] = x.name
		}
	}
}
