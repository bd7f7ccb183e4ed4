package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// Events keep their distance from each other, in business time: development
// may have moved its clock by weeks.
func TestRecordKeepsWhenThingsHappened(t *testing.T) {
	b := setup(t)
	flushed := time.Date(2026, 11, 1, 9, 0, 30, 0, time.UTC) // by the workflow's clock
	in := RecordInput{CoPay: copay.CoPay{UpdatedAt: flushed}, Trace: "t1", Events: []ledger.TimelineEvent{
		{At: flushed.Add(-30 * time.Second), Kind: "eligibility"}, {At: flushed, Kind: "sent"}}}
	require.NoError(t, b.run(b.a.Record, in, nil))
	got := b.s.records[0].Events
	require.Equal(t, b.a.now().Add(-30*time.Second), got[0].At)
	require.Equal(t, b.a.now(), got[1].At)
	require.Equal(t, "t1", b.s.records[0].TraceID)
}

func TestRecordRefusesAnUnknownRule(t *testing.T) {
	b := setup(t)
	require.Error(t, b.run(b.a.Record, RecordInput{Books: []Booking{{Rule: "magic", Step: "s", Amount: copay.Cents(1)}}}, nil))
	require.Empty(t, b.s.records)
}
