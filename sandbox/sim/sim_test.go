package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
)

func TestOptionsTime(t *testing.T) {
	t.Parallel()
	moved := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	require.Equal(t, moved, sim.Options{Now: func() time.Time { return moved }}.Time())
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, time.Now(), sim.Options{}.Time())
	})
}

func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

func TestFaultsMatch(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault        sim.Fault
		method, path string
		want         int
	}{
		"everything":              {sim.Fault{Kind: sim.FaultServer}, "GET", "/v1/things", 500},
		"the method":              {sim.Fault{Kind: sim.FaultServer, Method: "POST"}, "POST", "/v1/things", 500},
		"another method":          {sim.Fault{Kind: sim.FaultServer, Method: "POST"}, "GET", "/v1/things", 200},
		"the path":                {sim.Fault{Kind: sim.FaultServer, Path: "/v1/things"}, "GET", "/v1/things", 500},
		"a path below":            {sim.Fault{Kind: sim.FaultServer, Path: "/v1/things"}, "GET", "/v1/things/7", 500},
		"another path":            {sim.Fault{Kind: sim.FaultServer, Path: "/v1/things"}, "GET", "/v1/other", 200},
		"a path above":            {sim.Fault{Kind: sim.FaultServer, Path: "/v1/things"}, "GET", "/v1", 200},
		"method and another path": {sim.Fault{Kind: sim.FaultServer, Method: "GET", Path: "/v2"}, "GET", "/v1", 200},
		"throttled":               {sim.Fault{Kind: sim.FaultRateLimit}, "GET", "/", 429},
		"token":                   {sim.Fault{Kind: sim.FaultToken}, "GET", "/", 401},
		"a kind nobody knows":     {sim.Fault{Kind: "bogus"}, "GET", "/", 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f sim.Faults
			f.Add(tc.fault)
			h := f.Wrap(http.HandlerFunc(fine))
			require.Equal(t, tc.want, ask(h, tc.method, tc.path).Code)
		})
	}
}

func TestFaultsAreUsedUp(t *testing.T) {
	t.Parallel()
	var f sim.Faults
	h := f.Wrap(http.HandlerFunc(fine))
	codes := func(n int) (out []int) {
		for range n {
			out = append(out, ask(h, "GET", "/x").Code)
		}
		return out
	}
	f.Add(sim.Fault{Kind: sim.FaultServer}) // once
	f.Add(sim.Fault{Kind: sim.FaultRateLimit, Times: 2})
	require.Equal(t, []int{500, 429, 429, 200}, codes(4), "one after the other")
	f.Add(sim.Fault{Kind: sim.FaultServer, Times: 5})
	require.Equal(t, []int{500}, codes(1))
	f.Clear()
	require.Equal(t, []int{200, 200}, codes(2))
}

func TestFaultsUnderLoad(t *testing.T) {
	t.Parallel()
	var f sim.Faults
	f.Add(sim.Fault{Kind: sim.FaultServer, Times: 7})
	h := f.Wrap(http.HandlerFunc(fine))
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if ask(h, "GET", "/x").Code == 500 {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 7, failed.Load())
}

func TestFaultsAreRenderedByThePlatform(t *testing.T) {
	t.Parallel()
	f := sim.Faults{Render: func(w http.ResponseWriter, r *http.Request, k sim.FaultKind) {
		sim.WriteJSON(w, http.StatusTeapot, map[string]string{"kind": string(k), "path": r.URL.Path})
	}}
	worked := false
	h := f.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { worked = true }))
	f.Add(sim.Fault{Kind: sim.FaultToken})
	rec := ask(h, "GET", "/x")
	require.Equal(t, http.StatusTeapot, rec.Code)
	require.Equal(t, "application/json", rec.Header().Get("Content-Type"))
	require.JSONEq(t, `{"kind":"token","path":"/x"}`, rec.Body.String())
	require.False(t, worked, "it fails before doing anything")
}

func TestSlowFault(t *testing.T) {
	t.Parallel()
	t.Run("waits, then works", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f sim.Faults
			f.Add(sim.Fault{Kind: sim.FaultSlow, Delay: time.Minute})
			start := time.Now()
			require.Equal(t, "fine", ask(f.Wrap(http.HandlerFunc(fine)), "GET", "/x").Body.String())
			require.Equal(t, time.Minute, time.Since(start))
		})
	})
	t.Run("a caller who hangs up has still asked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f sim.Faults
			f.Add(sim.Fault{Kind: sim.FaultSlow, Delay: time.Hour})
			worked := false
			h := f.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { worked = true }))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/x", nil))
			require.Equal(t, time.Second, time.Since(start))
			require.True(t, worked)
		})
	})
}

func TestDropFaultDoesTheWorkAndCutsTheConnection(t *testing.T) {
	t.Parallel()
	var f sim.Faults
	f.Add(sim.Fault{Kind: sim.FaultDrop})
	var work atomic.Int32
	srv := httptest.NewServer(f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) == "pay" {
			work.Add(1)
		}
		w.Header().Set("X", "y")
		w.WriteHeader(http.StatusCreated)
		fine(w, r)
	})))
	t.Cleanup(srv.Close)
	post := func() (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, strings.NewReader("pay"))
		require.NoError(t, err)
		return srv.Client().Do(req)
	}
	_, err := post() //nolint:bodyclose // there is no answer
	require.ErrorIs(t, err, io.EOF)
	require.EqualValues(t, 1, work.Load())
	res, err := post()
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.EqualValues(t, 2, work.Load())
}

func FuzzFaultsMatch(f *testing.F) {
	f.Add("GET", "/v1/things", "GET", "/v1")
	f.Add("POST", "/", "", "")
	f.Add("GET", "/a", "GET", "/a/b")
	f.Fuzz(func(t *testing.T, method, path, wantMethod, prefix string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path = method, path
		var faults sim.Faults
		faults.Add(sim.Fault{Kind: sim.FaultServer, Method: wantMethod, Path: prefix})
		rec := httptest.NewRecorder()
		faults.Wrap(http.HandlerFunc(fine)).ServeHTTP(rec, r)
		want := http.StatusOK
		if (wantMethod == "" || wantMethod == method) && strings.HasPrefix(path, prefix) {
			want = http.StatusInternalServerError
		}
		if rec.Code != want {
			t.Fatalf("%s %s against %q %q: %d", method, path, wantMethod, prefix, rec.Code)
		}
	})
}

// receiver is the product's end of the wire, with a fake clock under synctest.
type receiver struct {
	mu       sync.Mutex
	statuses []int // of the next answers, then 200; 0 cuts the connection
	got      []string
	at       []time.Time
	last     *http.Request
}

func (r *receiver) RoundTrip(q *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := q.Context().Err(); err != nil {
		return nil, err
	}
	var b []byte
	if q.Body != nil {
		b, _ = io.ReadAll(q.Body)
	}
	r.got, r.at, r.last = append(r.got, string(b)), append(r.at, time.Now()), q
	status := 200
	if len(r.statuses) > 0 {
		status, r.statuses = r.statuses[0], r.statuses[1:]
	}
	if status == 0 {
		return nil, errors.New("cut")
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: io.NopCloser(strings.NewReader("ok")), Request: q}, nil
}

func deliverer(r *receiver) *sim.Deliverer {
	d := sim.NewDeliverer()
	d.Client.Transport = r
	return d
}

func hook(body string) sim.Delivery {
	return sim.Delivery{URL: "https://copay.example/hooks", Header: http.Header{"X-drchrono-event": {"PING"}}, Body: []byte(body)}
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		d := deliverer(r)
		var results []int
		d.OnResult = func(x sim.Delivery, status int, err error) {
			require.NoError(t, err)
			require.Equal(t, "a", string(x.Body))
			results = append(results, status)
		}
		d.Send(hook("a"))
		synctest.Wait()
		require.Equal(t, []string{"a"}, r.got)
		require.Equal(t, []int{200}, results)
		require.Equal(t, http.MethodPost, r.last.Method)
		require.Equal(t, "https://copay.example/hooks", r.last.URL.String())
		require.Equal(t, []string{"PING"}, spelled(r.last.Header, "X-drchrono-event"), "the name is sent as the platform spells it")
		d.Close()
	})
}

func TestDeliveryIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers []int
		tries   int
	}{
		"taken at once":     {nil, 1},
		"any 2xx will do":   {[]int{299}, 1},
		"after failures":    {[]int{500, 404, 0}, 4},
		"a redirect is one": {[]int{302}, 2},
		"until given up":    {slices.Repeat([]int{503}, 50), 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{statuses: tc.answers}
				d := deliverer(r)
				start := time.Now()
				d.Send(hook("a"))
				time.Sleep(time.Hour) // of the fake clock
				synctest.Wait()
				require.Equal(t, slices.Repeat([]string{"a"}, tc.tries), r.got, "always with its body")
				var wait time.Duration
				for i, at := range r.at {
					if i > 0 {
						wait += d.Gaps[i-1]
					}
					require.Equal(t, wait, at.Sub(start), "try %d", i+1)
				}
				d.Close()
			})
		})
	}
}

func TestDuplicateAndReorder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ask  func(*sim.Deliverer)
		send string
		want []string
	}{
		"as they come":     {func(*sim.Deliverer) {}, "abc", []string{"a", "b", "c"}},
		"twice":            {func(d *sim.Deliverer) { d.Duplicate(2) }, "abc", []string{"a", "a", "b", "b", "c"}},
		"the other way":    {func(d *sim.Deliverer) { d.Reorder() }, "abc", []string{"b", "a", "c"}},
		"held for ever":    {func(d *sim.Deliverer) { d.Reorder() }, "a", nil},
		"turned and twice": {func(d *sim.Deliverer) { d.Reorder(); d.Duplicate(1) }, "abc", []string{"b", "a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{}
				d := deliverer(r)
				tc.ask(d)
				for _, b := range tc.send {
					d.Send(hook(string(b)))
					synctest.Wait()
				}
				require.Equal(t, tc.want, r.got)
				twice, late := d.Pending()
				require.Zero(t, twice)
				require.Equal(t, tc.want == nil, late, "what is held back is told of")
				d.Close()
			})
		})
	}
}

func TestCloseEndsTheTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{statuses: slices.Repeat([]int{500}, 50)}
		d := deliverer(r)
		tries := 0
		d.OnResult = func(sim.Delivery, int, error) { tries++ }
		d.Send(hook("a"))
		synctest.Wait()
		start := time.Now()
		d.Close()
		require.Equal(t, 1, tries)
		require.Zero(t, time.Since(start), "it does not wait for the next gap")
		time.Sleep(time.Hour)
		require.Len(t, r.got, 1)
		d.Send(hook("late")) // is not sent, and nothing breaks
		d.Close()
		require.Len(t, r.got, 1)
	})
}

func TestNobodyToDeliverTo(t *testing.T) {
	t.Parallel()
	var none *sim.Deliverer
	none.Send(hook("a"))
	r := &receiver{}
	d := deliverer(r)
	d.Send(sim.Delivery{Body: []byte("a")})
	d.Close()
	require.Empty(t, r.got)
	t.Run("an address that is none", func(t *testing.T) {
		t.Parallel()
		d := deliverer(&receiver{})
		d.Gaps = nil
		var failure error
		d.OnResult = func(_ sim.Delivery, _ int, err error) { failure = err }
		d.Send(sim.Delivery{URL: "http://[::1"})
		d.Close()
		require.Error(t, failure)
	})
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	sim.WriteJSON(rec, http.StatusCreated, map[string]any{"amount": json.Number("25.00")})
	require.Equal(t, http.StatusCreated, rec.Code)
	require.Equal(t, "application/json", rec.Header().Get("Content-Type"))
	require.Equal(t, "{\"amount\":25.00}\n", rec.Body.String())
}

func TestCounter(t *testing.T) {
	t.Parallel()
	var c sim.Counter
	require.EqualValues(t, 1, c.Next())
	require.Equal(t, "pi_2", c.ID("pi_"))
	var wg sync.WaitGroup
	var seen sync.Map
	for range 100 {
		wg.Go(func() {
			if _, twice := seen.LoadOrStore(c.Next(), true); twice {
				t.Error("a number was given away twice")
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 103, c.Next())
}

// spelled reads a header by the platform's own spelling, which is not Go's.
func spelled(h http.Header, name string) []string { return h[name] }
