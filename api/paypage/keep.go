package paypage

import (
	"fmt"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
)

// Keep is what a practice offers patients who want their card kept for later
// co-pays.
type Keep struct {
	Cap  copay.Money   // the most that is charged at a time
	Term time.Duration // for how long
}

// offer is the sentence that a patient agrees to by ticking it, and the day
// that stands in it.
type offer struct {
	Text string
	Day  copay.Date
}

// offer is nil where the practice keeps no cards.
func (h *handler) offer(v visit) *offer {
	k := v.practice.Keep
	if k == nil {
		return nil
	}
	w := languages[h.language(v)]
	day := copay.DateOf(h.Now().Add(k.Term))
	return &offer{Text: fmt.Sprintf(w.Keep, v.practice.Name, k.Cap, w.day(day)), Day: day}
}

// agreed is the consent of a patient who ticked the offer: what they were
// shown, or less.
func (h *handler) agreed(v visit) *copay.CardConsent {
	k := v.practice.Keep
	if k == nil || v.r.PostForm.Get("keep") == "" {
		return nil
	}
	last := copay.DateOf(h.Now().Add(k.Term))
	if day, err := copay.ParseDate(v.r.PostForm.Get("until")); err == nil && day < last {
		last = day // the page was opened before midnight
	}
	return &copay.CardConsent{Scope: copay.ScopeUntil, Cap: k.Cap, Until: last.In(time.UTC), TextVersion: languages[h.language(v)].KeepVersion}
}

// forget ends the consent of a patient who wants their card kept no longer.
func (h *handler) forget(v visit, c copay.CoPay) error {
	ctx := v.r.Context()
	ended, err := h.Store.RevokeCardConsent(ctx, v.link.Practice, c.PatientKey(), h.Now())
	if err != nil || !ended {
		return err
	}
	return h.Store.AppendAudit(ctx, ledger.AuditEntry{Practice: v.link.Practice, CoPay: c.ID, Actor: copay.Patient(), Action: "card_consent.revoked",
		Reason: "the patient said no on the payment page"})
}
