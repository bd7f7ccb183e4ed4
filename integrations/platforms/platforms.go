// Package platforms is the one list of platforms there are. Adding one is one
// line here, beside its package, its simulator and its page in docs/platforms.
package platforms

import (
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/availity"
	"github.com/copayflow/copayflow/integrations/drchrono"
	"github.com/copayflow/copayflow/integrations/quickbooks"
	"github.com/copayflow/copayflow/integrations/sendgrid"
	"github.com/copayflow/copayflow/integrations/stripe"
	"github.com/copayflow/copayflow/integrations/twilio"
)

// Registry makes the connectors.
func Registry() integrations.Registry {
	return integrations.Registry{
		"availity":   factory(availity.New),
		"drchrono":   factory(drchrono.New),
		"quickbooks": factory(quickbooks.New),
		"sendgrid":   factory(sendgrid.New),
		"stripe":     factory(stripe.New),
		"twilio":     factory(twilio.New),
	}
}

// factory adapts a constructor; a failed one must not become a nil connector
// inside a non-nil interface.
func factory[C any](f func(integrations.Settings) (*C, error)) integrations.Factory {
	return func(s integrations.Settings) (any, error) {
		c, err := f(s)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
}
