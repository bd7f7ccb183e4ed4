package drchrono

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/copayflow/copayflow/copay"
)

const (
	// visitLife is how long a visit is believed when its patient is asked for:
	// that follows the reading of its charge, and calls are scarce.
	visitLife = 5 * time.Minute
	// maxVisits bounds what is remembered.
	maxVisits = 1024
)

// visits remembers the visits that were read last. The zero value is ready.
type visits struct {
	mu   sync.Mutex
	kept map[id]seenVisit
}

type seenVisit struct {
	appointment
	until time.Time
}

func (v *visits) put(at id, a appointment, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept == nil || len(v.kept) >= maxVisits {
		v.kept = map[id]seenVisit{}
	}
	v.kept[at] = seenVisit{a, now.Add(visitLife)}
}

func (v *visits) get(at id, now time.Time) (appointment, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.kept[at]
	return s.appointment, ok && now.Before(s.until)
}

// visit reads a visit. One that cannot be seen (any more) is empty: the charge
// and its patient say most of what is needed.
func (c *Connector) visit(ctx context.Context, at id) (appointment, error) {
	if at == "" {
		return appointment{}, nil
	}
	var a appointment
	err := c.api.get(ctx, "appointments.read", "/api/appointments/"+url.PathEscape(string(at)), nil, &a)
	if err != nil && !isNotFound(err) {
		return appointment{}, err
	}
	c.seen.put(at, a, c.clock())
	return a, nil
}

// payment is who pays a visit. What the clinic says of the visit comes before
// what it says of the patient: a patient who mostly pays cash may be insured
// this time, and one who is insured may have been hurt at work.
func (c *Connector) payment(ctx context.Context, at copay.AppointmentID, patient string) (profile string, err error) {
	a, ok := c.seen.get(id(at), c.clock())
	if !ok {
		if a, err = c.visit(ctx, id(at)); err != nil {
			return "", err
		}
	}
	switch {
	case a.BillingStatus == "Auto Accident Claim":
		return "Auto Accident", nil
	case a.BillingStatus == "Worker's Comp Claim":
		return "Worker's Comp", nil
	case a.PaymentProfile != "":
		return a.PaymentProfile, nil
	}
	return patient, nil
}
