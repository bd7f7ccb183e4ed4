package platforms_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/availity"
	"github.com/copayflow/copayflow/integrations/drchrono"
	"github.com/copayflow/copayflow/integrations/platforms"
	"github.com/copayflow/copayflow/integrations/quickbooks"
	"github.com/copayflow/copayflow/integrations/sendgrid"
	"github.com/copayflow/copayflow/integrations/stripe"
	"github.com/copayflow/copayflow/integrations/twilio"
)

// connectors are the registered platforms' types.
var connectors = map[copay.Platform]any{
	"availity": (*availity.Connector)(nil), "drchrono": (*drchrono.Connector)(nil), "quickbooks": (*quickbooks.Connector)(nil),
	"sendgrid": (*sendgrid.Connector)(nil), "stripe": (*stripe.Connector)(nil), "twilio": (*twilio.Connector)(nil),
}

// ports are the interfaces that a connector may implement.
var ports = map[string]reflect.Type{
	"ChargeSource": reflect.TypeFor[integrations.ChargeSource](), "CoverageSource": reflect.TypeFor[integrations.CoverageSource](),
	"EligibilityChecker": reflect.TypeFor[integrations.EligibilityChecker](), "EligibilityReader": reflect.TypeFor[integrations.EligibilityReader](),
	"Collector": reflect.TypeFor[integrations.Collector](), "StoredCollector": reflect.TypeFor[integrations.StoredCollector](),
	"PaymentPoster": reflect.TypeFor[integrations.PaymentPoster](), "Accounting": reflect.TypeFor[integrations.Accounting](),
	"Notifier": reflect.TypeFor[integrations.Notifier](), "WebhookSource": reflect.TypeFor[integrations.WebhookSource](),
	"EventPoller": reflect.TypeFor[integrations.EventPoller](), "Tester": reflect.TypeFor[integrations.Tester](),
}

// inside are interfaces that connectors use and do not implement.
var inside = []string{"TokenStore"}

// A port that is added is in the table above, or these tests would pass it over.
func TestAllPortsAreKnown(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	var found []string
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok && s.Name.IsExported() {
				if _, is := s.Type.(*ast.InterfaceType); is {
					found = append(found, s.Name.Name)
				}
			}
			return true
		})
	}
	require.ElementsMatch(t, append(slices.Collect(maps.Keys(ports)), inside...), found)
}

var (
	row  = regexp.MustCompile(`(?m)^\| ([A-Z][A-Za-z]+)[^|]*\|`)
	list = regexp.MustCompile(`(?s)\| Port \|.*?\n\n`)
)

// Each platform's page says what its connector implements, no more and no less.
func TestPagesSayWhatConnectorsDo(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, slices.Collect(maps.Keys(platforms.Registry())), slices.Collect(maps.Keys(connectors)))
	for platform, c := range connectors {
		page, err := os.ReadFile("../../docs/platforms/" + string(platform) + ".md")
		require.NoError(t, err, "every platform has a page")
		table := list.FindString(string(page))
		require.NotEmpty(t, table, "%s: the page has a table of ports", platform)
		var said, can []string
		for _, m := range row.FindAllStringSubmatch(table, -1) {
			if m[1] != "Port" {
				said = append(said, m[1])
			}
		}
		for name, port := range ports {
			if reflect.TypeOf(c).Implements(port) {
				can = append(can, name)
			}
		}
		require.ElementsMatch(t, can, said, platform)
		require.Contains(t, can, "Tester", "%s: copay doctor asks every platform", platform)
	}
}

// Each port of a practice's configuration is served by some platform, and what
// a platform can do is a port of the configuration or needs none.
func TestConfiguredPortsAreServed(t *testing.T) {
	t.Parallel()
	unassigned := []string{"stored cards", "webhooks", "event polling"} // whoever has them is asked
	served := map[string]bool{}
	for platform, c := range connectors {
		for _, can := range integrations.Capabilities(c) {
			port, _, _ := strings.Cut(can, " ") // "eligibility read" serves eligibility
			if slices.Contains(unassigned, can) {
				continue
			}
			require.True(t, slices.ContainsFunc(config.Ports, func(p struct {
				Name     string
				Required bool
			}) bool {
				return p.Name == port
			}), "%s can do %q, for which no port can be configured", platform, can)
			served[port] = true
		}
	}
	for _, p := range config.Ports {
		require.True(t, served[p.Name], "no platform serves the port %s", p.Name)
	}
}

// A platform that cannot be set up is an error, never a connector of nothing.
func TestRegistryRefusesEmptySettings(t *testing.T) {
	t.Parallel()
	for platform, factory := range platforms.Registry() {
		c, err := factory(integrations.Settings{Practice: "maple", Platform: platform})
		require.Error(t, err, platform)
		require.Nil(t, c, platform)
	}
}
