package copay

import "slices"

// State is where a co-pay stands. The names are public: they appear in the
// API, in search attributes and in the read model.
type State string

// The states, in the order of an undisturbed co-pay, then those beside it.
const (
	StateReceived        State = "received"         // an event named the charge; nothing is known yet
	StateVerifying       State = "verifying"        // charge, coverage and eligibility are being read
	StateEstimating      State = "estimating"       // the amount is being worked out
	StateRequesting      State = "requesting"       // the processor is being asked
	StateAwaitingPayment State = "awaiting_payment" // the patient has a link, or a stored card is about to be charged
	StatePaid            State = "paid"             // money was captured
	StatePosting         State = "posting"          // the EHR is being told
	StateReconciling     State = "reconciling"      // the books are being brought in line
	StateSettled         State = "settled"          // processor, EHR, books and journal agree

	StateNeedsReview State = "needs_review" // a person must act; the review says why and what they may do
	StateWaived      State = "waived"       // staff gave the amount up, with a reason
	StateCancelled   State = "cancelled"    // the charge is gone or staff withdrew the co-pay
	StateWrittenOff  State = "written_off"  // nobody paid and staff closed it
	StateRefunding   State = "refunding"    // money is on its way back
	StateRefunded    State = "refunded"     // all collected money went back
	StateDisputed    State = "disputed"     // the patient disputed the payment at their bank
	StateReturned    State = "returned"     // a bank debit came back after it was paid
)

// States lists every state in a fixed order.
func States() []State {
	return []State{
		StateReceived, StateVerifying, StateEstimating, StateRequesting, StateAwaitingPayment, StatePaid,
		StatePosting, StateReconciling, StateSettled, StateNeedsReview, StateWaived, StateCancelled,
		StateWrittenOff, StateRefunding, StateRefunded, StateDisputed, StateReturned,
	}
}

// closing are the states in which a co-pay needs no one any more.
var closing = []State{StateSettled, StateWaived, StateCancelled, StateWrittenOff, StateRefunded}

// undo are where any state may turn when something has to be taken back.
var undo = []State{StateNeedsReview, StateCancelled, StateRefunding}

// transitions says what may follow what. A payment may arrive before anybody
// asked for it (cash at the desk), so every state before "paid" leads there.
var transitions = map[State][]State{
	StateReceived:        append([]State{StateVerifying, StatePaid, StateWaived}, undo...),
	StateVerifying:       append([]State{StateEstimating, StatePaid, StateWaived}, undo...),
	StateEstimating:      append([]State{StateRequesting, StateVerifying, StatePaid, StateSettled, StateWaived}, undo...),
	StateRequesting:      append([]State{StateAwaitingPayment, StatePaid, StateVerifying, StateWaived, StateEstimating, StateSettled, StateDisputed}, undo...),
	StateAwaitingPayment: append([]State{StatePaid, StateRequesting, StateVerifying, StateEstimating, StateWaived, StateWrittenOff, StateSettled, StateDisputed}, undo...),
	StatePaid:            append([]State{StatePosting, StateDisputed, StateReturned}, undo...),
	StatePosting:         append([]State{StateReconciling, StateSettled, StateDisputed, StateReturned}, undo...),
	StateReconciling:     append([]State{StateSettled, StatePosting, StateAwaitingPayment, StateRequesting, StateDisputed, StateReturned}, undo...),
	// A settled co-pay can still be refunded, disputed, returned, or reopened
	// by a remittance that says the patient owes otherwise (true-up).
	StateSettled: {StateRefunding, StateDisputed, StateReturned, StateNeedsReview, StateRequesting, StatePosting, StateReconciling},
	StateNeedsReview: {
		StateVerifying, StateEstimating, StateRequesting, StateAwaitingPayment, StatePaid, StatePosting, StateReconciling,
		StateSettled, StateWaived, StateCancelled, StateWrittenOff, StateRefunding, StateRefunded, StateDisputed, StateReturned,
	},
	// Money that reaches a co-pay after it was given up has to be given back.
	StateWaived:     {StateRefunding, StateNeedsReview},
	StateCancelled:  {StateRefunding, StateNeedsReview},
	StateWrittenOff: {StatePaid, StateRefunding, StateNeedsReview},
	StateRefunding:  {StateRefunded, StateSettled, StateCancelled, StateWaived, StateWrittenOff, StateNeedsReview, StateReconciling, StateAwaitingPayment},
	StateRefunded:   {StateNeedsReview, StateRefunding},
	StateDisputed:   {StateSettled, StateRefunded, StateReconciling, StateNeedsReview, StateWrittenOff},
	StateReturned:   {StateRequesting, StateAwaitingPayment, StateWrittenOff, StateNeedsReview, StateCancelled, StateReconciling},
}

// Transition returns to when a co-pay in from may go there, and otherwise a
// precondition error that names both.
func Transition(from, to State) (State, error) {
	if from == to && from.Known() {
		return to, nil
	}
	if slices.Contains(transitions[from], to) {
		return to, nil
	}
	return from, Errorf(CodePrecondition, "state", "a co-pay that is %s cannot become %s", from, to)
}

// Known reports whether s is one of the states.
func (s State) Known() bool { _, ok := transitions[s]; return ok }

// Closed reports whether nothing more is expected to happen.
func (s State) Closed() bool { return slices.Contains(closing, s) }

// BeforePayment reports whether no money has been captured for the amount
// that is being asked, so asking, reminding and waiving still make sense.
func (s State) BeforePayment() bool {
	switch s {
	case StateReceived, StateVerifying, StateEstimating, StateRequesting, StateAwaitingPayment:
		return true
	}
	return false
}
