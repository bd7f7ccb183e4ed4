// Package sim is what the sandbox's simulators share: a clock, faults that
// can be asked for, and the delivery of webhooks. A simulator is an
// http.Handler with its own state; it meets the product only on the wire.
package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Options are given to every simulator.
type Options struct {
	// Now is the sandbox's time (nil: time.Now). The dev clock can move it.
	Now func() time.Time
	// Hooks delivers webhooks (nil: none are sent).
	Hooks *Deliverer
	// PublicURL is the address under which this simulator is reached, without
	// a trailing slash; hosted pages and "next" links are made from it.
	PublicURL string
}

// Time returns the sandbox's time.
func (o Options) Time() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// FaultKind is a way to misbehave.
type FaultKind string

// The faults.
const (
	FaultRateLimit FaultKind = "429"   // answers as the platform does when it throttles
	FaultServer    FaultKind = "500"   // fails before doing anything
	FaultSlow      FaultKind = "slow"  // waits Delay, then works
	FaultDrop      FaultKind = "drop"  // does the work, then cuts the connection without an answer
	FaultToken     FaultKind = "token" // treats the access token as expired
)

// Fault asks for Times misbehaviours on requests whose method and path prefix
// match (empty matches all).
type Fault struct {
	Kind   FaultKind     `json:"kind"`
	Method string        `json:"method,omitempty"`
	Path   string        `json:"path,omitempty"`
	Times  int           `json:"times"`
	Delay  time.Duration `json:"delay,omitempty"`
}

// Faults is a simulator's list of pending faults. Render writes the
// platform's own error body for 429, 500 and expired-token faults.
type Faults struct {
	mu     sync.Mutex
	list   []*Fault
	Render func(w http.ResponseWriter, r *http.Request, k FaultKind)
}

// Add asks for a fault.
func (f *Faults) Add(x Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x.Times == 0 {
		x.Times = 1
	}
	f.list = append(f.list, &x)
}

// Clear forgets all pending faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// Pending are the faults that were asked for and did not happen yet.
func (f *Faults) Pending() (list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.list {
		if x.Times > 0 {
			list = append(list, *x)
		}
	}
	return list
}

func (f *Faults) take(r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.list {
		if x.Times > 0 && (x.Method == "" || x.Method == r.Method) && (len(r.URL.Path) >= len(x.Path) && r.URL.Path[:len(x.Path)] == x.Path) {
			x.Times--
			c := *x
			return &c
		}
	}
	return nil
}

// Wrap puts the faults before h.
func (f *Faults) Wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := f.take(r)
		if x == nil {
			h.ServeHTTP(w, r)
			return
		}
		switch x.Kind {
		case FaultSlow:
			select {
			case <-time.After(x.Delay):
			case <-r.Context().Done():
			}
			h.ServeHTTP(w, r)
		case FaultDrop:
			// The work is done on a recorder; the caller sees a cut connection.
			h.ServeHTTP(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		default:
			if f.Render != nil {
				f.Render(w, r, x.Kind)
				return
			}
			status := http.StatusInternalServerError
			switch x.Kind {
			case FaultRateLimit:
				status = http.StatusTooManyRequests
			case FaultToken:
				status = http.StatusUnauthorized
			}
			http.Error(w, string(x.Kind), status)
		}
	})
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// Delivery is one webhook on its way.
type Delivery struct {
	URL    string
	Header http.Header
	Body   []byte
	// Sign, when set, adds to the headers of every try: a signature over the
	// time is made anew each time.
	Sign func(http.Header)
	// Retry is the platform's own way to try again; nil: the deliverer's.
	Retry *Retry
}

// Retry says how a delivery that failed is tried again.
type Retry struct {
	Gaps []time.Duration // between tries
	// After reports whether a failure is worth another try: no answer (err), or
	// a status that is no 2xx. Nil: any is.
	After func(status int, err error) bool
}

// Deliverer posts webhooks to the product in the background and tries again
// with growing gaps until it gets a 2xx, as platforms do.
type Deliverer struct {
	Client *http.Client
	// Gaps between tries; the delivery is given up after the last one.
	Gaps []time.Duration
	// OnResult is told of every try.
	OnResult func(d Delivery, status int, err error)

	mu      sync.Mutex
	dup     int  // next deliveries to send twice
	hold    bool // reorder: hold one back until the next has gone
	held    []Delivery
	wg      sync.WaitGroup
	stop    context.CancelFunc
	baseCtx context.Context
}

// NewDeliverer makes a Deliverer; Close waits for what is on its way.
func NewDeliverer() *Deliverer {
	ctx, cancel := context.WithCancel(context.Background())
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32 // all go to one
	return &Deliverer{
		// A redirect is no 2xx: it is a failed try and is not followed.
		Client:  &http.Client{Transport: t, Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Gaps:    []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second},
		baseCtx: ctx, stop: cancel,
	}
}

// Duplicate makes the next n deliveries arrive twice.
func (d *Deliverer) Duplicate(n int) { d.mu.Lock(); d.dup += n; d.mu.Unlock() }

// Reorder holds the next delivery back until another one has been sent.
func (d *Deliverer) Reorder() { d.mu.Lock(); d.hold = true; d.mu.Unlock() }

// Pending tells how many deliveries are still to arrive twice, and whether one
// is to be held back, or is, until another has been sent.
func (d *Deliverer) Pending() (twice int, late bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dup, d.hold || len(d.held) > 0
}

// Send puts a delivery on its way.
func (d *Deliverer) Send(x Delivery) {
	if d == nil || x.URL == "" {
		return
	}
	d.mu.Lock()
	if d.hold {
		d.hold = false
		d.held = append(d.held, x)
		d.mu.Unlock()
		return
	}
	batch := append([]Delivery{x}, d.held...)
	d.held = nil
	if d.dup > 0 {
		d.dup--
		batch = append(batch, x)
	}
	d.wg.Add(1)
	d.mu.Unlock()
	go func() {
		defer d.wg.Done()
		for _, y := range batch {
			d.deliver(y)
		}
	}()
}

func (d *Deliverer) deliver(x Delivery) {
	retry := Retry{Gaps: d.Gaps}
	if x.Retry != nil {
		retry = *x.Retry
	}
	for try := 0; ; try++ {
		status, err := d.once(x)
		if d.OnResult != nil {
			d.OnResult(x, status, err)
		}
		if err == nil && status >= 200 && status < 300 {
			return
		}
		if try >= len(retry.Gaps) || (retry.After != nil && !retry.After(status, err)) {
			slog.Warn("sandbox: webhook given up", "status", status)
			return
		}
		select {
		case <-time.After(retry.Gaps[try]):
		case <-d.baseCtx.Done():
			return
		}
	}
}

func (d *Deliverer) once(x Delivery) (int, error) {
	req, err := http.NewRequestWithContext(d.baseCtx, http.MethodPost, x.URL, bytes.NewReader(x.Body))
	if err != nil {
		return 0, err
	}
	for k, v := range x.Header {
		req.Header[k] = v
	}
	if x.Sign != nil {
		x.Sign(req.Header)
	}
	res, err := d.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, nil
}

// Close stops retrying and waits.
func (d *Deliverer) Close() { d.stop(); d.wg.Wait(); d.Client.CloseIdleConnections() }

// WriteJSON answers with JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Counter makes ids that count up from a base.
type Counter struct {
	mu sync.Mutex
	n  int64
}

// Next returns the next number.
func (c *Counter) Next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

// ID returns prefix and the next number.
func (c *Counter) ID(prefix string) string { return fmt.Sprintf("%s%d", prefix, c.Next()) }
