package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// asked is a record of run r1, asked for n seconds after noon. A task takes ten.
func asked(r ledger.Record, n int) ledger.Record {
	r.Run, r.Task, r.Asked = "r1", n/10, noon.Add(time.Duration(n)*time.Second)
	return r
}

func (b bench) summaries(t require.TestingT, id copay.ID) (list []string) {
	rows, err := b.Timeline(b.ctx, maple, id)
	require.NoError(t, err)
	for _, r := range rows {
		list = append(list, r.Summary)
	}
	return list
}

// A task that is done again because Temporal never heard of the first time has
// heard of more since: a waiver.
func TestARedoneStepTakesThePlaceOfTheLostOne(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	first := step(key, 1, copay.StateAwaitingPayment)
	first.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", 2500, "")}
	b.record(t, asked(first, 1))
	lost := step(key, 2, copay.StateAwaitingPayment)
	lost.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-2", -500, "")}
	b.record(t, asked(lost, 2))
	b.record(t, asked(step(key, 3, copay.StatePaid), 3))

	again := step(key, 2, copay.StateWaived)
	again.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-2", -1000, "")}
	for range 2 {
		b.record(t, asked(again, 10))
	}
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StateWaived, row.CoPay.State)
	require.EqualValues(t, 2, row.Version)
	require.Equal(t, []string{"now awaiting_payment", "now waived"}, b.summaries(t, key.ID()))
	balances, err := b.CoPayBalance(t.Context(), maple, key.ID())
	require.NoError(t, err)
	for _, x := range balances {
		require.EqualValues(t, 1500, max(x.Debit-x.Credit, x.Credit-x.Debit), x.Account)
	}
	require.Equal(t, 4, b.count(t, `SELECT count(*) FROM entries`), "the lost entry stays, with what takes it back")
	b.record(t, asked(step(key, 3, copay.StateRefunding), 11)) // the story goes on
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM audit_log WHERE action = 'redone'`))
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
}

// What a worker that lost its task still writes afterwards counts for nothing.
func TestAWorkerThatLostItsTaskWritesNothing(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	b.record(t, asked(step(key, 1, copay.StateAwaitingPayment), 1))
	b.record(t, asked(step(key, 2, copay.StateWaived), 20)) // by the worker that took over
	for version := range int64(3) {
		late := step(key, version+2, copay.StatePaid)
		late.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, fmt.Sprintf("capture-%d", version), 2500, copay.RailCash)}
		b.record(t, asked(late, 9))
	}
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StateWaived, row.CoPay.State)
	require.Zero(t, b.count(t, `SELECT count(*) FROM entries`))
	require.Equal(t, 2, b.count(t, `SELECT count(*) FROM audit_log`))
}

// A worker that was frozen within its task believes that it is later than it is:
// its clock goes on from where the task began.
func TestAFrozenWorkerTakesNothingBack(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	b.record(t, asked(step(key, 1, copay.StateAwaitingPayment), 1))
	paid := step(key, 2, copay.StatePaid)
	paid.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, "capture-pay-1", 2500, copay.RailCash)}
	b.record(t, asked(paid, 12))
	b.record(t, asked(step(key, 3, copay.StateSettled), 20))
	thawed := asked(step(key, 2, copay.StateAwaitingPayment), 9)
	thawed.Asked = noon.Add(time.Minute)
	b.record(t, thawed)
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StateSettled, row.CoPay.State)
	require.EqualValues(t, 2500, b.net(t, key.ID())[ledger.AccountCash])
}

// The server's clock may be behind when a task is done again on another host.
func TestAClockThatIsBehindDropsNoRecord(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	b.record(t, asked(step(key, 1, copay.StateAwaitingPayment), 1))
	b.record(t, asked(step(key, 2, copay.StateAwaitingPayment), 19)) // lost
	paid := asked(step(key, 2, copay.StatePaid), 18)
	paid.Task = 2
	paid.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, "capture-pay-1", 2500, copay.RailCash)}
	b.record(t, paid)
	b.record(t, asked(step(key, 3, copay.StateSettled), 30))
	require.EqualValues(t, 2500, b.net(t, key.ID())[ledger.AccountCash])
	require.Equal(t, []string{"now awaiting_payment", "now paid", "now settled"}, b.summaries(t, key.ID()))
	tie := asked(step(key, 4, copay.StateSettled), 30) // as long a history, yet earlier: it is not said to be written
	tie.Asked = noon
	requireCode(t, copay.CodeConflict, b.Record(t.Context(), tie))
}

// Nor does a worker write that lost its task in an earlier run.
func TestAWorkerOfAnEarlierRunWritesNothing(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	b.record(t, asked(step(key, 1, copay.StateAwaitingPayment), 1))
	b.record(t, asked(step(key, 2, copay.StateAwaitingPayment), 20))
	next := asked(step(key, 3, copay.StateSettled), 25)
	next.Run, next.Task = "r2", 1
	b.record(t, next)
	for version := range int64(3) {
		late := step(key, version+2, copay.StatePaid)
		late.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, fmt.Sprintf("capture-%d", version), 2500, copay.RailCash)}
		b.record(t, asked(late, 9))
	}
	// Of a first task, of which nothing else was recorded, it is not known.
	never := asked(step(key, 4, copay.StatePaid), 9)
	never.Run = "r0"
	requireCode(t, copay.CodeConflict, b.Record(t.Context(), never))
	row, err := b.CoPay(t.Context(), maple, key.ID())
	require.NoError(t, err)
	require.Equal(t, copay.StateSettled, row.CoPay.State)
	require.Zero(t, b.count(t, `SELECT count(*) FROM entries`))
}

// A workflow that was reset may book a step with another amount than before: the
// books follow the way that it takes now.
func TestAStepOfARunThatWasResetIsBookedAnew(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	for n, cents := range []int64{2500, 1000, 1000} {
		r := asked(step(key, 1, copay.StateAwaitingPayment), 10*n)
		r.Run = []string{"r1", "r2", "r2"}[n]
		r.Entries = []ledger.Entry{entry(t, ledger.RuleReceivable, "receivable-1", cents, "")}
		b.record(t, r)
	}
	require.EqualValues(t, 1000, b.net(t, key.ID())[ledger.AccountReceivable])
	require.Equal(t, 3, b.count(t, `SELECT count(*) FROM entries`))
}

// Such a run may have a task redone, too, while what the run before recorded is
// ahead of it.
func TestARunThatWasResetMayBeRedone(t *testing.T) {
	for name, again := range map[string]int64{"with another amount": 1500, "without the step": 0} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			key := keyOf(maple, "c-1")
			for v := range int64(3) {
				b.record(t, asked(step(key, v+1, copay.StateAwaitingPayment), int(v)*10))
			}
			for n, cents := range []int64{1000, again} { // the first time is lost
				r := asked(step(key, 2, copay.StatePaid), 50+10*n)
				r.Run = "r2"
				if cents > 0 {
					r.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, "capture-pay-2", cents, copay.RailCash)}
				}
				b.record(t, r)
			}
			require.EqualValues(t, again, b.net(t, key.ID())[ledger.AccountCash])
			row, err := b.CoPay(t.Context(), maple, key.ID())
			require.NoError(t, err)
			require.EqualValues(t, 3, row.Version)
		})
	}
}

// What takes back a refund is no capture, though it looks like one.
func TestALostRefundIsNoCapture(t *testing.T) {
	b := setup(t)
	key := keyOf(maple, "c-1")
	first := step(key, 1, copay.StatePaid)
	first.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, "capture-pay-1", 2500, copay.RailLink)}
	b.record(t, asked(first, 1))
	for n, state := range []copay.State{copay.StateRefunded, copay.StateNeedsReview} {
		back := step(key, 2, state)
		back.Entries = []ledger.Entry{entry(t, ledger.RuleRefund, "refund-ref-1", 2500, copay.RailLink)}
		b.record(t, asked(back, 10+10*n))
	}
	got, err := b.Captured(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2500, got[0].Minor)
	require.Empty(t, b.net(t, key.ID()))
}

// Whatever tasks were lost, the ledger tells what it would without them.
func TestLostTasksLeaveNoTrace(t *testing.T) {
	b := setup(t)
	charges := 0
	states := []copay.State{copay.StateAwaitingPayment, copay.StatePaid, copay.StateWaived, copay.StateNeedsReview}
	rapid.Check(t, func(rt *rapid.T) {
		charges++
		key, plain := keyOf(maple, fmt.Sprintf("lost-%d", charges)), keyOf(maple, fmt.Sprintf("plain-%d", charges))
		now, version := 0, int64(0)
		booked := map[string]bool{}
		// flush draws what one record holds; the n-th of a task.
		flush := func(n int, names map[string]bool) ledger.Record {
			r := step(key, version+int64(n)+1, rapid.SampledFrom(states).Draw(rt, "state"))
			for range rapid.IntRange(0, 2).Draw(rt, "entries") {
				name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(rt, "step")
				if !names[name] {
					names[name] = true
					e, err := ledger.NewEntry(ledger.RuleReceivable, name, noon, copay.Cents(rapid.Int64Range(1, 3).Draw(rt, "cents")), "")
					require.NoError(rt, err)
					r.Entries = append(r.Entries, e)
				}
			}
			return r
		}
		task := func(like []ledger.Record) []ledger.Record {
			names := map[string]bool{}
			for name := range booked {
				names[name] = true
			}
			list := like[:rapid.IntRange(0, len(like)).Draw(rt, "as before"):len(like)]
			for _, r := range list {
				for _, e := range r.Entries {
					names[e.Step] = true
				}
			}
			for len(list) < 1 || rapid.Bool().Draw(rt, "more") && len(list) < 3 {
				list = append(list, flush(len(list), names))
			}
			return list
		}
		write := func(r ledger.Record, at int) { require.NoError(rt, b.Record(b.ctx, asked(r, at))) }
		for range rapid.IntRange(1, 4).Draw(rt, "tasks") {
			var list []ledger.Record
			var zombies []func()
			for range rapid.IntRange(0, 2).Draw(rt, "lost") {
				list = task(list)
				until := rapid.IntRange(0, len(list)).Draw(rt, "died after")
				for i, r := range list {
					at := now + i
					if i < until {
						write(r, at)
					} else if i == until {
						zombies = append(zombies, func() { write(r, at) })
					}
				}
				now += 10
			}
			list = task(list)
			for i, r := range list {
				write(r, now+i)
				for _, f := range zombies {
					f()
				}
				same := r
				same.CoPay.Key, same.CoPay.ID = plain, plain.ID()
				write(same, now+i)
				for _, e := range r.Entries {
					booked[e.Step] = true
				}
			}
			now, version = now+10, version+int64(len(list))
		}
		want, err := b.CoPay(b.ctx, maple, plain.ID())
		require.NoError(rt, err)
		got, err := b.CoPay(b.ctx, maple, key.ID())
		require.NoError(rt, err)
		require.Equal(rt, want.CoPay.State, got.CoPay.State)
		require.Equal(rt, want.Version, got.Version)
		require.Equal(rt, b.summaries(rt, plain.ID()), b.summaries(rt, key.ID()))
		require.Equal(rt, b.net(rt, plain.ID()), b.net(rt, key.ID()))
	})
}

// net is each account's balance of a co-pay.
func (b bench) net(t require.TestingT, id copay.ID) map[ledger.Account]int64 {
	list, err := b.CoPayBalance(b.ctx, maple, id)
	require.NoError(t, err)
	net := map[ledger.Account]int64{}
	for _, x := range list {
		if x.Debit != x.Credit {
			net[x.Account] = x.Debit - x.Credit
		}
	}
	return net
}

// A step has recorded "the message goes out now" and is done again, in another task
// or because its answer was lost, when the hours are over: what it decides then is
// what people see, and nothing is written twice.
func TestADecisionThatIsMadeAgainIsShown(t *testing.T) {
	for name, moment := range map[string]int{"the task": 20, "the answer": 10} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			key := keyOf(maple, "c-1")
			decided := func(n int, next string, at time.Time) {
				r := asked(step(key, 1, copay.StateAwaitingPayment), n)
				r.Decided, r.CoPay.NextAction, r.CoPay.NextActionAt = true, next, at
				b.record(t, r)
			}
			decided(10, "ask the patient", noon)
			decided(moment, "hand to staff", noon.Add(30*24*time.Hour))
			require.Equal(t, 1, b.count(t, `SELECT count(*) FROM timeline`))
			row, err := b.CoPay(t.Context(), maple, key.ID())
			require.NoError(t, err)
			require.Equal(t, "hand to staff", row.CoPay.NextAction)
			require.Equal(t, 1, b.count(t, `SELECT count(*) FROM records`))
			if moment == 20 { // the worker that lost its task does not take over by deciding again
				decided(10, "ask the patient", noon)
				row, err = b.CoPay(t.Context(), maple, key.ID())
				require.NoError(t, err)
				require.Equal(t, "hand to staff", row.CoPay.NextAction)
				late := step(key, 2, copay.StatePaid)
				late.Entries = []ledger.Entry{entry(t, ledger.RuleCapture, "capture-1", 25_00, copay.RailCash)}
				require.NoError(t, b.Record(t.Context(), asked(late, 11)))
				require.Zero(t, b.count(t, `SELECT count(*) FROM entries`))
			}
			b.record(t, asked(step(key, 2, copay.StatePaid), 30))
			decided(moment, "ask the patient", noon) // of a worker that was away
			row, err = b.CoPay(t.Context(), maple, key.ID())
			require.NoError(t, err)
			require.Equal(t, copay.StatePaid, row.CoPay.State)
		})
	}
}
