package ledger

import "context"

// Bury puts a claimed event among the dead letters at once: only a person can
// deal with it. why says what to do and is safe to show.
func (i *Inbox) Bury(ctx context.Context, e InboxRow, why string) error {
	return i.bury(ctx, e, clean(why))
}
