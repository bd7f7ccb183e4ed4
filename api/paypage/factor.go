package paypage

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

// factor checks the date of birth. Each attempt is counted before it is
// compared; what is no date at all costs none. When it is not passed the
// answer has been given.
func (h *handler) factor(v visit) bool {
	ctx := v.r.Context()
	given, ok := birthDate(v.r)
	if !ok {
		h.page(v, http.StatusUnprocessableEntity, content{Kind: "ask", Fault: "malformed"})
		return false
	}
	patient, err := h.Store.Patient(ctx, v.link.Practice, v.link.CoPay)
	if err != nil && copay.CodeOf(err) != copay.CodeNotFound {
		h.trouble(v, "the patient cannot be read", err)
		return false
	}
	link, err := h.Store.TryPayLink(ctx, v.token)
	switch copay.CodeOf(err) {
	case "":
	case copay.CodePermission, copay.CodePrecondition, copay.CodeNotFound:
		if v.link, err = h.Store.PayLink(ctx, v.token); err != nil || !h.shut(v) {
			h.page(v, http.StatusGone, content{Kind: "ended"})
		}
		return false
	default:
		h.trouble(v, "the attempt cannot be counted", err)
		return false
	}
	if err != nil {
		h.trouble(v, "the attempt cannot be counted", err)
		return false
	}
	v.link = link
	if patient.BirthDate == "" || subtle.ConstantTimeCompare([]byte(given), []byte(patient.BirthDate)) != 1 {
		h.wrong(v)
		return false
	}
	if err := h.Store.PassPayLink(ctx, v.token); err != nil {
		h.trouble(v, "the attempts cannot be reset", err)
		return false
	}
	return true
}

func (h *handler) wrong(v visit) {
	left := ledger.MaxLinkAttempts - v.link.FailedAttempts
	h.Log.InfoContext(v.r.Context(), "pay page: wrong second factor", "practice_id", v.link.Practice, "copay_id", v.link.CoPay, "left", left)
	if left <= 0 {
		h.locked(v)
		h.page(v, http.StatusForbidden, content{Kind: "locked"})
		return
	}
	h.page(v, http.StatusUnprocessableEntity, content{Kind: "ask", Fault: "wrong", Left: left})
}

// locked tells auditors and the co-pay's timeline that the link takes no more
// answers. The page says the same whether that works or not.
func (h *handler) locked(v visit) {
	ctx := v.r.Context()
	at := h.Now()
	err := h.Store.AppendAudit(ctx, ledger.AuditEntry{Practice: v.link.Practice, CoPay: v.link.CoPay, At: at, Actor: copay.System(), Action: "link_locked",
		Detail: map[string]string{"summary": "the payment link is locked after too many wrong dates of birth"}})
	if err == nil {
		var row ledger.CoPayRow
		if row, err = h.Store.CoPay(ctx, v.link.Practice, v.link.CoPay); err == nil {
			o := dispatch.Origin{Trigger: "event", Actor: copay.System(), Priority: dispatch.PriorityDesk}
			err = h.Flows.Signal(ctx, row.CoPay.Key, o, workflows.Event{ID: fmt.Sprintf("pay-page/locked-%d", at.UnixNano()), Kind: string(integrations.EventLinkLocked), At: at})
		}
	}
	if err != nil {
		h.Log.ErrorContext(ctx, "pay page: a locked link could not be told of", "practice_id", v.link.Practice, "copay_id", v.link.CoPay, "error", err)
	}
}

// birthDate reads the day as three numbers, or as one date.
func birthDate(r *http.Request) (copay.Date, bool) {
	text := strings.TrimSpace(r.PostForm.Get("birth_date"))
	if text == "" {
		month, ok1 := number(r, "month", 12)
		day, ok2 := number(r, "day", 31)
		year, ok3 := number(r, "year", 9999)
		if !ok1 || !ok2 || !ok3 {
			return "", false
		}
		text = fmt.Sprintf("%04d-%02d-%02d", year, month, day)
	}
	d, err := copay.ParseDate(text)
	return d, err == nil
}

func number(r *http.Request, name string, most int) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(r.PostForm.Get(name)))
	return n, err == nil && n >= 1 && n <= most
}
