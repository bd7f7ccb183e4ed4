package twiliosim_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

// down is an endpoint that never takes a webhook: it answers with a status, or
// not at all.
type down struct {
	status int
	tries  int
	last   time.Time
}

func (d *down) RoundTrip(*http.Request) (*http.Response, error) {
	d.tries, d.last = d.tries+1, time.Now()
	if d.status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: d.status, Body: http.NoBody}, nil
}

func TestWebhooksAreTriedAgainAsTheAddressAsks(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		fragment string
		status   int
		want     int
	}{
		"by default a refusal is final":      {"", 500, 1},
		"by default no connection is one":    {"", 0, 2},
		"five after anything":                {"#rc=5&rp=all", 404, 6},
		"no more than five":                  {"#rc=9&rp=all", 0, 6},
		"server errors only":                 {"#rc=3&rp=5xx", 503, 4},
		"server errors only, and a mistake":  {"#rc=3&rp=5xx", 403, 1},
		"several":                            {"#rc=2&rp=4xx,ct", 403, 3},
		"none":                               {"#rc=0&rp=all", 500, 1},
		"overrides that cannot be read":      {"#%zz", 500, 1},
		"more retries of the default policy": {"#rc=4", 0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &down{status: x.status}
				hooks := sim.NewDeliverer()
				hooks.Client = &http.Client{Transport: d}
				s := twiliosim.New(sim.Options{Hooks: hooks}, twiliosim.Config{InboundURL: "https://h.example/in" + x.fragment})
				start := time.Now()
				_, err := s.Receive(patient, "hello")
				require.NoError(t, err)
				time.Sleep(time.Hour) // of the fake clock
				synctest.Wait()
				require.Equal(t, x.want, d.tries)
				require.LessOrEqual(t, d.last.Sub(start), 15*time.Second, "a webhook takes 15 seconds in all")
				s.Close()
				hooks.Close()
			})
		})
	}
}
