// Package paypage is the page behind a patient's payment link, on the
// practice's own domain. Opening it costs nothing, because mail and text
// scanners open every link: only the patient's own act, with a second factor,
// leads on to the processor's hosted page. Before the factor it shows nothing
// but the practice's name.
package paypage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/workflows"
)

// Store is what the page needs of the ledger.
type Store interface {
	PayLink(ctx context.Context, token string) (ledger.PayLinkRow, error)
	OpenPayLink(ctx context.Context, token string) (ledger.PayLinkRow, error)
	TryPayLink(ctx context.Context, token string) (ledger.PayLinkRow, error)
	PassPayLink(ctx context.Context, token string) error
	CoPay(ctx context.Context, practice copay.PracticeID, id copay.ID) (ledger.CoPayRow, error)
	Patient(ctx context.Context, practice copay.PracticeID, id copay.ID) (integrations.Patient, error)
	RevokeCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey, at time.Time) (bool, error)
	AppendAudit(ctx context.Context, e ledger.AuditEntry) error
}

// Flows reaches co-pays' workflows; *dispatch.Starter does.
type Flows interface {
	Update(ctx context.Context, key copay.Key, o dispatch.Origin, name, requestID string, out any, args ...any) error
	Signal(ctx context.Context, key copay.Key, o dispatch.Origin, e workflows.Event) error
}

// Practice is what the page says of a practice.
type Practice struct {
	Name, Phone, Language string
	// NoFactor leaves the date of birth out.
	NoFactor bool
	// Keep is offered to patients; nil where no stored card is ever charged.
	Keep *Keep
}

// Options are the parts of the page.
type Options struct {
	Store     Store
	Flows     Flows
	Practices func(copay.PracticeID) (Practice, error)
	// Insecure also leads to hosted pages without TLS: development only.
	Insecure bool
	Now      func() time.Time
	Log      *slog.Logger
	// Wait bounds how long the processor is waited for; 20 s.
	Wait time.Duration
}

type handler struct{ Options }

// New serves /pay/{token} and /pay/{token}/done.
func New(o Options) (http.Handler, error) {
	if o.Store == nil || o.Flows == nil || o.Practices == nil {
		return nil, errors.New("paypage: the page needs a store, workflows and the practices")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Wait <= 0 {
		o.Wait = 20 * time.Second
	}
	h := &handler{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pay/{token}", h.show)
	mux.HandleFunc("POST /pay/{token}", h.submit)
	mux.HandleFunc("GET /pay/{token}/done", h.done)
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// visit is one request for a page.
type visit struct {
	w        http.ResponseWriter
	r        *http.Request
	token    string
	link     ledger.PayLinkRow
	practice Practice
}

// open finds the link; when it leads nowhere the answer has been given.
func (h *handler) open(w http.ResponseWriter, r *http.Request) (visit, bool) {
	v := visit{w: w, r: r, token: r.PathValue("token")}
	var err error
	if v.link, err = h.Store.PayLink(r.Context(), v.token); err == nil {
		v.practice, err = h.Practices(v.link.Practice)
	}
	switch {
	case copay.CodeOf(err) == copay.CodeNotFound:
		h.page(v, http.StatusNotFound, content{Kind: "unknown"})
	case err != nil:
		h.trouble(v, "the link cannot be read", err)
	default:
		return v, true
	}
	return v, false
}

// shut answers for a link that takes no more attempts.
func (h *handler) shut(v visit) bool {
	switch {
	case v.link.Locked():
		h.page(v, http.StatusForbidden, content{Kind: "locked"})
	case !v.link.Usable(h.Now()):
		h.page(v, http.StatusGone, content{Kind: "ended"})
	default:
		return false
	}
	return true
}

// show asks for the second factor. It reads and changes nothing else.
func (h *handler) show(w http.ResponseWriter, r *http.Request) {
	v, ok := h.open(w, r)
	if !ok || h.shut(v) {
		return
	}
	h.page(v, http.StatusOK, content{Kind: "ask"})
}

// done is where the processor sends the patient back to.
func (h *handler) done(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.open(w, r); ok {
		h.page(v, http.StatusOK, content{Kind: "done"})
	}
}

// submit checks the second factor and leads on.
func (h *handler) submit(w http.ResponseWriter, r *http.Request) {
	v, ok := h.open(w, r)
	if !ok || h.shut(v) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		h.page(v, http.StatusBadRequest, content{Kind: "ask", Fault: "malformed"})
		return
	}
	if !v.practice.NoFactor && !h.factor(v) {
		return
	}
	if _, err := h.Store.OpenPayLink(r.Context(), v.token); err != nil {
		h.trouble(v, "the link cannot be marked", err)
		return
	}
	row, err := h.Store.CoPay(r.Context(), v.link.Practice, v.link.CoPay)
	if err != nil {
		h.trouble(v, "the co-pay cannot be read", err)
		return
	}
	c := row.CoPay
	switch {
	case !payable(c):
		h.standing(v, c, c.State)
	case c.Rail == copay.RailCard && r.PostForm.Get("forget") != "":
		if err := h.forget(v, c); err != nil {
			h.trouble(v, "the card cannot be forgotten", err)
			return
		}
		h.pay(v, c)
	case c.Rail == copay.RailCard && r.PostForm.Get("confirm") == "":
		// Looking at an announced charge does not take it back.
		h.page(v, http.StatusOK, h.details(v, "card", c))
	default:
		h.pay(v, c)
	}
}

// payable reports whether the workflow may have a page to pay. It decides
// anew; here only what is certain is spared the trip.
func payable(c copay.CoPay) bool {
	switch c.State {
	case copay.StateAwaitingPayment, copay.StateRequesting:
		return true
	case copay.StateNeedsReview:
		return c.Review != nil && c.Review.Kind == copay.ReviewUnpaid
	}
	return false
}

// pay opens the hosted page and leads there.
func (h *handler) pay(v visit, c copay.CoPay) {
	ctx, cancel := context.WithTimeout(v.r.Context(), h.Wait)
	defer cancel()
	var page workflows.Page
	o := dispatch.Origin{Trigger: "patient", Actor: copay.Patient(), Priority: dispatch.PriorityDesk}
	if err := h.Flows.Update(ctx, c.Key, o, workflows.UpdateOpenPage, uuid.NewString(), &page, workflows.OpenPage{Keep: h.agreed(v)}); err != nil {
		h.trouble(v, "the hosted page cannot be opened", err)
		return
	}
	if page.URL == "" {
		h.standing(v, c, page.State)
		return
	}
	if !h.safe(page.URL) {
		h.trouble(v, "the hosted page has no usable address", errors.New("not an https address"))
		return
	}
	http.Redirect(v.w, v.r, page.URL, http.StatusSeeOther)
}

func (h *handler) safe(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "https" || (h.Insecure && u.Scheme == "http"))
}

// standing shows where a co-pay stands that cannot be paid now.
func (h *handler) standing(v visit, c copay.CoPay, s copay.State) {
	kind := "call"
	switch s {
	case copay.StatePaid, copay.StatePosting, copay.StateReconciling, copay.StateSettled:
		kind = "paid"
		if !c.Amounts.Collected.IsPositive() {
			kind = "nothing"
		}
	case copay.StateWaived, copay.StateCancelled, copay.StateWrittenOff:
		kind = "nothing"
	case copay.StateRefunding, copay.StateRefunded:
		kind = "refunded"
	case copay.StateReceived, copay.StateVerifying, copay.StateEstimating, copay.StateRequesting, copay.StateAwaitingPayment:
		kind = "later"
	}
	h.page(v, http.StatusOK, h.details(v, kind, c))
}

// trouble is our fault or the processor's.
func (h *handler) trouble(v visit, what string, err error) {
	h.Log.ErrorContext(v.r.Context(), "pay page", "problem", what, "practice_id", v.link.Practice, "copay_id", v.link.CoPay, "error", err)
	v.w.Header().Set("Retry-After", "60")
	h.page(v, http.StatusServiceUnavailable, content{Kind: "trouble"})
}

// language is the one the patient reads: chosen on the page, set in the
// browser, on record, the practice's.
func (h *handler) language(v visit) string {
	var wishes []string
	wishes = append(wishes, v.r.URL.Query().Get("lang"))
	for part := range strings.SplitSeq(v.r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(part, ";")
		wishes = append(wishes, tag)
	}
	if l := first(wishes); l != "" {
		return l
	}
	if v.link.CoPay != "" {
		if p, err := h.Store.Patient(v.r.Context(), v.link.Practice, v.link.CoPay); err == nil {
			wishes = append(wishes, p.Language)
		}
	}
	if l := first(append(wishes, v.practice.Language)); l != "" {
		return l
	}
	return "en"
}

// first is the first wish that there are words for.
func first(wishes []string) string {
	for _, w := range wishes {
		w = strings.ToLower(strings.TrimSpace(w))
		switch {
		case strings.HasPrefix(w, "es"), strings.HasPrefix(w, "spa"):
			return "es"
		case strings.HasPrefix(w, "en"):
			return "en"
		}
	}
	return ""
}
