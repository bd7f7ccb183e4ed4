package workflows

import "go.temporal.io/sdk/workflow"

// The rules that a run follows are those of the code that began it. They enter
// its history with the lasting record, so a change that alters what running
// co-pays do is put behind a number of its own: if c.rules >= …. Unlike a
// version marker that costs no event and no update of the search attributes.
const (
	// rulesOfPeople: cash that goes back by itself is handed out by somebody, who
	// answers for one refund at a time; what a person gave back, accepted or was
	// asked about is not overruled by later news; a message that perhaps went out
	// counts.
	rulesOfPeople = 1

	// rulesOfQuestions: what a person was asked, or what was being found out, goes
	// on after money went back, a bank came between or a posting was deleted; what
	// a deletion, a bank or a remittance leads to is seen also when the rest was
	// given up.
	rulesOfQuestions = 2

	// rulesOfOneStep: what to do about messages is decided in the step that records
	// what happened until then; what a restored run asks for is as old as it is; what
	// a bank took is not mistaken for what the practice gave back; a refund that waits
	// for a second person is asked about before a co-pay ends.
	rulesOfOneStep = 3

	// Rules are the newest.
	Rules = rulesOfOneStep
)

// follows reports whether a run follows what was changed before runs knew their
// rules: they tell it by a marker of that name.
func (c *coPay) follows(ctx workflow.Context, change string) bool {
	return c.rules > 0 || workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) != workflow.DefaultVersion
}
