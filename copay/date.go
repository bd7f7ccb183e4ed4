package copay

import (
	"time"
)

// Date is a calendar day without a zone, "2026-11-24": a date of service or
// a date of birth means the same day wherever it is read.
type Date string

// ParseDate checks that s is a real day in ISO 8601 form.
func ParseDate(s string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", Errorf(CodeInvalid, "date", "a date looks like 2026-11-24")
	}
	return Date(s), nil
}

// DateOf is the calendar day of t in its own location.
func DateOf(t time.Time) Date { return Date(t.Format(time.DateOnly)) }

// In returns the start of the day in loc; the zero time when d is empty or bad.
func (d Date) In(loc *time.Location) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, string(d), loc)
	if err != nil {
		return time.Time{}
	}
	return t
}
