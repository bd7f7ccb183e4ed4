package copay_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func follows(from copay.State) (to []copay.State) {
	for _, s := range copay.States() {
		if _, err := copay.Transition(from, s); err == nil && s != from {
			to = append(to, s)
		}
	}
	return to
}

func TestEveryStateIsKnownAndReachable(t *testing.T) {
	t.Parallel()
	seen := map[copay.State]bool{}
	for _, s := range copay.States() {
		require.False(t, seen[s], "%s is listed twice", s)
		seen[s] = true
		require.True(t, s.Known(), s)
	}
	require.Len(t, seen, 17)
	reached := map[copay.State]bool{copay.StateReceived: true}
	for todo := []copay.State{copay.StateReceived}; len(todo) > 0; todo = todo[1:] {
		for _, s := range follows(todo[0]) {
			if !reached[s] {
				reached[s] = true
				todo = append(todo, s)
			}
		}
	}
	require.Equal(t, seen, reached)
	for _, s := range copay.States() {
		require.NotEmpty(t, follows(s), "%s is a dead end; even a closed co-pay can be reviewed", s)
	}
}

func TestTransition(t *testing.T) {
	t.Parallel()
	for _, s := range copay.States() {
		to, err := copay.Transition(s, s)
		require.NoError(t, err)
		require.Equal(t, s, to)
		for _, strange := range []copay.State{"", "paid_out", "Received"} {
			to, err := copay.Transition(s, strange)
			require.Equal(t, copay.CodePrecondition, copay.CodeOf(err))
			require.Equal(t, s, to, "a refusal leaves the state")
			_, err = copay.Transition(strange, s)
			require.Error(t, err)
		}
	}
	_, err := copay.Transition("paid_out", "paid_out")
	require.Error(t, err)
}

// Closed co-pays are not asked for again. A settled one may be, by a
// remittance that says the patient owes more (true-up); all others only after
// a person has looked.
func TestClosedCoPaysAreNotRequestedAgain(t *testing.T) {
	t.Parallel()
	closed := 0
	for _, s := range copay.States() {
		if !s.Closed() {
			continue
		}
		closed++
		for _, asking := range []copay.State{copay.StateRequesting, copay.StateAwaitingPayment, copay.StateVerifying, copay.StateEstimating} {
			_, err := copay.Transition(s, asking)
			if s == copay.StateSettled && asking == copay.StateRequesting {
				require.NoError(t, err)
				continue
			}
			require.Error(t, err, "%s → %s", s, asking)
		}
	}
	require.Equal(t, 5, closed)
	// Beside settled, every way from a closed state to a request leads through
	// a review, or through money that is on its way back.
	for _, s := range []copay.State{copay.StateWaived, copay.StateCancelled, copay.StateRefunded} {
		require.Subset(t, []copay.State{copay.StateNeedsReview, copay.StateRefunding}, follows(s), s)
	}
	require.ElementsMatch(t, []copay.State{copay.StatePaid, copay.StateRefunding, copay.StateNeedsReview}, follows(copay.StateWrittenOff))
}

// Money may arrive at any moment before the payment; none of those states may
// refuse it, and all of them can be waived and taken back.
func TestMoneyMayArriveAtAnyMoment(t *testing.T) {
	t.Parallel()
	before := 0
	for _, s := range copay.States() {
		if s.BeforePayment() {
			before++
			require.Subset(t, follows(s), []copay.State{copay.StatePaid, copay.StateWaived, copay.StateNeedsReview, copay.StateCancelled, copay.StateRefunding}, s)
			require.False(t, s.Closed())
		}
	}
	require.Equal(t, 5, before)
	require.Contains(t, follows(copay.StateNeedsReview), copay.StatePaid)
}
