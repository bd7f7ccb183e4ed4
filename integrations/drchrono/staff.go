package drchrono

import (
	"context"
	"net/url"
	"sync"
	"time"
)

// roster keeps the practice's doctors, whose time zones all of DrChrono's
// times are in. They hardly ever change and calls are scarce.
type roster struct {
	mu      sync.Mutex
	until   time.Time
	doctors map[id]doctor
}

const rosterLife = time.Hour

// team is the practice's doctors, read at most once in rosterLife.
func (c *Connector) team(ctx context.Context) (map[id]doctor, error) {
	c.staff.mu.Lock()
	defer c.staff.mu.Unlock()
	if c.clock().Before(c.staff.until) {
		return c.staff.doctors, nil
	}
	all, err := list[doctor](ctx, c.api, "doctors.list", "/api/doctors", url.Values{"page_size": {pageSize}})
	if err != nil {
		return nil, err
	}
	byID := make(map[id]doctor, len(all)) // never changed once others may see it
	for _, d := range all {
		byID[d.ID] = d
	}
	c.staff.doctors, c.staff.until = byID, c.clock().Add(rosterLife)
	return byID, nil
}

// doctor is one of the practice; somebody who is not on the list (any more)
// has no zone and no specialty.
func (c *Connector) doctor(ctx context.Context, d id) (doctor, error) {
	team, err := c.team(ctx)
	if err != nil {
		return doctor{}, err
	}
	return team[d], nil
}

// zone is the doctor's time zone and its IANA name; UTC and "" when DrChrono
// names none that is known.
func (d doctor) zone() (*time.Location, string) {
	if d.Timezone != "" {
		if loc, err := time.LoadLocation(d.Timezone); err == nil {
			return loc, d.Timezone
		}
	}
	return time.UTC, ""
}

const wall = "2006-01-02T15:04:05"

// wallClock is a moment as the clock of the practice's office farthest west
// showed it, or that of UTC when it was behind. Times in DrChrono carry no
// zone: asked with any other clock, a listing would leave out hours.
func (c *Connector) wallClock(ctx context.Context, t time.Time) (string, error) {
	team, err := c.team(ctx)
	if err != nil {
		return "", err
	}
	first := t.UTC().Format(wall)
	for _, d := range team {
		loc, _ := d.zone()
		first = min(first, t.In(loc).Format(wall))
	}
	return first, nil
}

// today is the calendar day at a doctor's office. It only dates a document, so
// a list of doctors that cannot be read is no reason to fail.
func (c *Connector) today(ctx context.Context, provider string) string {
	d, err := c.doctor(ctx, id(provider))
	if err != nil {
		d = doctor{}
	}
	loc, _ := d.zone()
	return c.now().In(loc).Format(time.DateOnly)
}

// naive reads DrChrono's times, which are local and carry no zone.
func naive(s string, loc *time.Location) time.Time {
	for _, f := range []string{"2006-01-02T15:04:05.999999999", time.DateOnly} {
		if t, err := time.ParseInLocation(f, s, loc); err == nil {
			return t.UTC()
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC()
	}
	return time.Time{}
}
