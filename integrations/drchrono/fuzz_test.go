package drchrono_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/drchrono"
)

// parrot answers every call but the token's with one body and status.
type parrot struct {
	status int
	body   string
}

func (p parrot) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := p.status, p.body
	if strings.HasSuffix(r.URL.Path, "/o/token/") {
		status, body = http.StatusOK, `{"access_token":"t","refresh_token":"r","expires_in":172800}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"/api/x"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// FuzzAnswers reads arbitrary answers to every verb through the whole HTTP
// path: none may panic, invent an amount, or be repeated in an error.
func FuzzAnswers(f *testing.F) {
	f.Add(200, `{"id":55910021,"appointment":214003321,"patient":"88120045","doctor":"310055","code":"99213","modifiers":["25"],"price":145.00,"billed":"145.00","balance_pt":25.0,"updated_at":"2026-11-24T10:06:02"}`)
	f.Add(200, `{"id":"7","first_name":"Quillfeather","date_of_birth":"1980-02-03","copay":"$25.00","cell_phone":"(312) 555-0142","primary_insurance":{"insurance_payer_id":"1","insurance_id_number":"2"}}`)
	f.Add(200, `{"results":[{"id":1,"amount":-25.00,"trace_number":"x","line_item":55910021,"eligibility":"B","coverage_details":{"amount":"25"}}],"next":null}`)
	f.Add(200, `{"data":[{"id":1,"timezone":"US/Eastern","billing_line_item_id":55910021}],"next":"https://elsewhere.example/api/x"}`)
	f.Add(400, `{"amount":["Quillfeather is wrong"],"Quillfeather":["x"]}`)
	f.Add(302, ``)
	f.Add(201, `{"id":1.0,"amount":1e3,"trace_number":null}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c, err := drchrono.New(integrations.Settings{Practice: "maple", Platform: drchrono.Platform, RoundTripper: parrot{status, body}, Tokens: &tokens{},
			Options: map[string]any{"client_id": "c", "client_secret": "literal:s", "refresh_token": "literal:r", "settle_delay": "1ns", "limit_per_second": 1_000_000, "limit_per_hour": 1_000_000}})
		require.NoError(t, err)
		harmless := func(err error) bool {
			if err != nil {
				require.NotNil(t, integrations.AsError(err))
				require.NotContains(t, err.Error(), "Quillfeather")
				require.Less(t, len(err.Error()), 600)
			}
			return err == nil
		}
		if ch, err := c.Charge(t.Context(), "55910021"); harmless(err) {
			require.Equal(t, copay.ChargeID("55910021"), ch.ID)
		}
		if p, err := c.Patient(t.Context(), "88120045", ""); harmless(err) && p.EHRCoPay != nil {
			require.False(t, p.EHRCoPay.IsNegative())
		}
		p := integrations.Posting{Ref: copay.NewRef("cp_0123456789abcdef", copay.EffectPost, 1), Charge: "55910021", Patient: "88120045", Amount: copay.Cents(25_00), Rail: copay.RailCash, Since: time.Unix(1_770_000_000, 0)}
		if got, err := c.Post(t.Context(), p); harmless(err) {
			require.Equal(t, p.Amount, got.Amount)
		}
		_, err = c.LastCheck(t.Context(), integrations.EligibilityRequest{Appointment: "214003321", Service: "98"})
		harmless(err)
		_, _, err = c.PollEvents(t.Context(), "")
		harmless(err)
		_, err = c.ChargesSince(t.Context(), p.Since, "")
		harmless(err)
	})
}
