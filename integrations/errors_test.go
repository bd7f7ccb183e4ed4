package integrations_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/integrations"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]integrations.Error{
		"stripe: refunds.create: unknown":                                        {Kind: integrations.KindUnknown, Platform: "stripe", Op: "refunds.create"},
		"drchrono: line_items.read: invalid (HTTP 400) code 400: refused fields": {Kind: integrations.KindInvalid, Platform: "drchrono", Op: "line_items.read", Status: 400, Code: "400", Message: "refused fields"},
		"quickbooks: x: rate_limited (HTTP 429) [request 1-2]":                   {Kind: integrations.KindRateLimited, Platform: "quickbooks", Op: "x", Status: 429, RequestID: "1-2"},
		"twilio: x: declined code 21610":                                         {Kind: integrations.KindDeclined, Platform: "twilio", Op: "x", Code: "21610", Err: errors.New("Ana Sample, +13125550142")},
	} {
		require.Equal(t, want, e.Error(), "the cause is kept, not printed")
	}
}

// Whatever is not classified is not known: only that is safe to act on when
// money may have moved.
func TestKinds(t *testing.T) {
	t.Parallel()
	declined := &integrations.Error{Kind: integrations.KindDeclined, Final: true, Err: context.DeadlineExceeded}
	for name, tc := range map[string]struct {
		err  error
		want integrations.Kind
	}{
		"as it is":               {declined, integrations.KindDeclined},
		"wrapped":                {fmt.Errorf("pay: %w", declined), integrations.KindDeclined},
		"joined":                 {errors.Join(errors.New("x"), declined), integrations.KindDeclined},
		"the outer one counts":   {&integrations.Error{Kind: integrations.KindUnknown, Err: declined}, integrations.KindUnknown},
		"a plain error":          {errors.New("x"), integrations.KindUnknown},
		"a deadline":             {context.DeadlineExceeded, integrations.KindUnknown},
		"none":                   {nil, integrations.KindUnknown},
		"a search without a hit": {integrations.NotFound("acme", "things.find"), integrations.KindNotFound},
	} {
		require.Equal(t, tc.want, integrations.KindOf(tc.err), name)
	}
	require.ErrorIs(t, declined, context.DeadlineExceeded, "the cause can be asked for")
	require.True(t, integrations.AsError(fmt.Errorf("pay: %w", declined)).Final)
	require.Nil(t, integrations.AsError(errors.New("x")))
	require.Nil(t, integrations.AsError(nil))
	e := integrations.NotFound("acme", "things.find")
	require.Equal(t, "acme: things.find: not_found", e.Error())
}
