package main

import (
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// period is a stretch of days as a person names it: both of them belong to it.
type period struct{ from, to string }

func (p *period) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.from, "from", "", "from this day on, 2026-11-24")
	cmd.Flags().StringVar(&p.to, "to", "", "up to this day")
}

// bounds are the first moment of the period and the first after it, by this
// machine's clock; nil where it is open.
func (p *period) bounds() (from, to *timestamppb.Timestamp, err error) {
	if from, err = dayStart("--from", p.from, 0); err != nil {
		return nil, nil, err
	}
	if to, err = dayStart("--to", p.to, 1); err != nil {
		return nil, nil, err
	}
	if from != nil && to != nil && !from.AsTime().Before(to.AsTime()) { // nothing could lie between
		return nil, nil, usagef("--from %s is after --to %s", p.from, p.to)
	}
	return from, to, nil
}

// dayStart is the first moment of a day, or of one after it; nil for no text.
func dayStart(flag, text string, after int) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, text, time.Local)
	if err != nil {
		return nil, usagef("%s %q is not a day such as 2026-11-24", flag, text)
	}
	return timestamppb.New(day.AddDate(0, 0, after)), nil
}
