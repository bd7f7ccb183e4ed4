package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// office is the EHR and the books of a practice, with what stands in them.
type office struct {
	*platforms
	posted   map[copay.Ref]integrations.Posted
	docs     map[copay.Ref]integrations.AccountingDoc
	post     []integrations.Posting
	reversal []integrations.Reversal
	invoice  integrations.InvoiceRequest
	receipt  integrations.ReceiptRequest
	undone   integrations.ReverseRequest
	voided   []string
	gone     integrations.DocKind // what the bookkeeper voided
	voids    bool                 // a whole payment is voided, not refunded
	fails    error                // of the call named in at
	at       string
}

func (o *office) fail(at string) error {
	if o.at == at {
		return o.fails
	}
	return nil
}

func (o *office) Poster(copay.PracticeID, copay.Platform) (integrations.PaymentPoster, error) {
	return o, o.fail("port")
}

func (o *office) Books(copay.PracticeID) (copay.Platform, integrations.Accounting, error) {
	return "ledgerbooks", officeBooks{o}, o.fail("port")
}

func (o *office) Post(_ context.Context, p integrations.Posting) (integrations.Posted, error) {
	o.post = append(o.post, p)
	if x, ok := o.posted[p.Ref]; ok {
		return x, nil
	}
	return integrations.Posted{ID: "post-1", Ref: p.Ref, Amount: p.Amount}, o.fail("post")
}

func (o *office) FindPosting(_ context.Context, q integrations.PostingQuery) (integrations.Posted, error) {
	if err := o.fail("find"); err != nil {
		return integrations.Posted{}, err
	}
	if x, ok := o.posted[q.Ref]; ok {
		return x, nil
	}
	return integrations.Posted{}, integrations.NotFound("drchrono", "posting")
}

func (o *office) Reverse(_ context.Context, r integrations.Reversal) (integrations.Posted, error) {
	o.reversal = append(o.reversal, r)
	return integrations.Posted{ID: "rev-1", Ref: r.Ref, Amount: r.Amount.Neg()}, o.fail("reverse")
}

// officeBooks are the books: their verbs share names with the EHR's.
type officeBooks struct{ o *office }

func (b officeBooks) Invoice(_ context.Context, r integrations.InvoiceRequest) (integrations.AccountingDoc, error) {
	b.o.invoice = r
	return integrations.AccountingDoc{ID: "inv-1", Kind: integrations.DocInvoice, Voided: b.o.gone == integrations.DocInvoice}, b.o.fail("invoice")
}

func (b officeBooks) Receive(_ context.Context, r integrations.ReceiptRequest) (integrations.AccountingDoc, error) {
	b.o.receipt = r
	return integrations.AccountingDoc{ID: "rec-1", Kind: integrations.DocPayment, Voided: b.o.gone == integrations.DocPayment}, b.o.fail("receive")
}

func (b officeBooks) Reverse(_ context.Context, r integrations.ReverseRequest) (integrations.AccountingDoc, error) {
	b.o.undone = r
	if b.o.voids && r.Whole {
		return integrations.AccountingDoc{ID: "rec-1", Kind: integrations.DocPayment, Voided: true}, nil
	}
	return integrations.AccountingDoc{ID: "cm-1", Kind: integrations.DocRefund}, b.o.fail("reverse")
}

func (b officeBooks) VoidInvoice(_ context.Context, r integrations.VoidRequest) (integrations.AccountingDoc, error) {
	b.o.voided = append(b.o.voided, r.ID)
	return integrations.AccountingDoc{}, b.o.fail("void")
}

func (b officeBooks) FindDoc(_ context.Context, kind integrations.DocKind, ref copay.Ref) (integrations.AccountingDoc, error) {
	if err := b.o.fail("find"); err != nil {
		return integrations.AccountingDoc{}, err
	}
	if x, ok := b.o.docs[ref]; ok && x.Kind == kind {
		return x, nil
	}
	return integrations.AccountingDoc{}, integrations.NotFound("quickbooks", "doc")
}

func (officeBooks) Docs(context.Context, time.Time, string) (integrations.DocPage, error) {
	return integrations.DocPage{}, nil
}

func officeOf(t *testing.T) (bench, *office) {
	t.Helper()
	b := setup(t)
	o := &office{platforms: b.p, posted: map[copay.Ref]integrations.Posted{}, docs: map[copay.Ref]integrations.AccountingDoc{}}
	b.a.Ports = o
	return b, o
}

// down is a platform that does not answer.
func platformDown() error {
	return &integrations.Error{Kind: integrations.KindUnavailable, Platform: "drchrono", Op: "call"}
}

func posting() PostInput {
	ref := func(e copay.Effect) copay.Ref { return copay.NewRef(key.ID(), e, 1) }
	return PostInput{Key: key, Appointment: "a1", Patient: "p1", Provider: "d1", Ref: ref(copay.EffectPost), InvoiceRef: ref(copay.EffectInvoice), Amount: copay.Cents(25_00),
		Payment: copay.Payment{ID: "pay-1", Rail: copay.RailLink, Amount: copay.Cents(25_00), CapturedAt: time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)},
		Since:   time.Date(2026, 11, 24, 16, 0, 0, 0, time.UTC)}
}

func TestAPostingNamesItsChargeOnThePracticesDay(t *testing.T) {
	b, o := officeOf(t)
	var out Posted
	require.NoError(t, b.run(b.a.PostPayment, posting(), &out))
	require.Equal(t, "post-1", out.ID)
	got := o.post[0]
	require.Equal(t, key.Charge, got.Charge, "nothing is left unapplied")
	require.Equal(t, copay.Date("2026-11-24"), got.Received, "late in the evening in Chicago")
	require.Equal(t, posting().Ref, got.Ref)
	require.Equal(t, posting().Since, got.Since)
	require.Contains(t, got.Note, string(key.ID()))
}

func TestTheDayMoneyWasTakenAtTheDeskStands(t *testing.T) {
	b, o := officeOf(t)
	in := posting()
	in.Payment.Received = "2026-11-20"
	require.NoError(t, b.run(b.a.PostPayment, in, nil))
	require.Equal(t, copay.Date("2026-11-20"), o.post[0].Received)
}

func TestAPostingOverAnotherAmountIsNotBelieved(t *testing.T) {
	b, o := officeOf(t)
	o.posted[posting().Ref] = integrations.Posted{ID: "post-7", Ref: posting().Ref, Amount: copay.Cents(20_00)}
	err := b.run(b.a.PostPayment, posting(), nil)
	require.Equal(t, integrations.KindInvalid, FailureOf(err).Kind)
	require.Contains(t, FailureOf(err).Message, "post-7")
}

func TestFindPosting(t *testing.T) {
	b, o := officeOf(t)
	var out Posted
	require.NoError(t, b.run(b.a.FindPosting, posting(), &out))
	require.Empty(t, out.ID, "there is none")
	o.posted[posting().Ref] = integrations.Posted{ID: "post-7"}
	require.NoError(t, b.run(b.a.FindPosting, posting(), &out))
	require.Equal(t, "post-7", out.ID)
	o.at, o.fails = "find", platformDown()
	require.Equal(t, integrations.KindUnavailable, FailureOf(b.run(b.a.FindPosting, posting(), nil)).Kind, "not known is not the same as none")
}

// reversing takes back a part of the posting.
func reversing(known string) PostInput {
	in := posting()
	in.Of, in.Ref, in.Amount, in.Refund = in.Ref, copay.NewRef(key.ID(), copay.EffectReverse, 1), copay.Cents(10_00), true
	in.Payment.PostedID, in.Payment.BookedID = known, known
	return in
}

func TestReversePosting(t *testing.T) {
	b, o := officeOf(t)
	var out Posted
	require.NoError(t, b.run(b.a.ReversePosting, reversing("post-1"), &out))
	require.Equal(t, "rev-1", out.ID)
	r := o.reversal[0]
	require.Equal(t, "post-1", r.PostedID)
	require.Equal(t, copay.Cents(10_00), r.Amount)
	require.Equal(t, copay.Cents(25_00), r.Of.Amount, "of the whole posting")
	require.Equal(t, posting().Ref, r.Of.Ref)
	require.True(t, r.Refund)
}

func TestAPostingThatWasMadeWithoutOurKnowingIsReversed(t *testing.T) {
	b, o := officeOf(t)
	var out Posted
	require.NoError(t, b.run(b.a.ReversePosting, reversing(""), &out))
	require.Empty(t, out.ID, "nothing is there to be reversed")
	require.Empty(t, o.reversal)
	o.posted[posting().Ref] = integrations.Posted{ID: "post-7"}
	require.NoError(t, b.run(b.a.ReversePosting, reversing(""), &out))
	require.Equal(t, "post-7", o.reversal[0].PostedID)
	o.at, o.fails = "find", platformDown()
	require.Equal(t, integrations.KindUnavailable, FailureOf(b.run(b.a.ReversePosting, reversing(""), nil)).Kind)
	require.Len(t, o.reversal, 1)
}

func TestABookingIsAnInvoiceAndItsPayment(t *testing.T) {
	b, o := officeOf(t)
	in := posting()
	in.Ref = copay.NewRef(key.ID(), copay.EffectBook, 1)
	var out Booked
	require.NoError(t, b.run(b.a.BookPayment, in, &out))
	require.Equal(t, Booked{Platform: "ledgerbooks", InvoiceID: "inv-1", PaymentID: "rec-1"}, out)
	require.Equal(t, in.InvoiceRef, o.invoice.Ref)
	require.Regexp(t, `^P-[0-9a-f]{12}$`, o.invoice.Alias, "patients appear under an alias")
	require.Equal(t, o.invoice.Alias, o.receipt.Alias)
	require.Equal(t, in.Ref, o.receipt.Ref)
	require.False(t, o.invoice.Asked.IsZero(), "a second try in the books is recognised by when the step was scheduled")
	require.Equal(t, o.invoice.Asked, o.receipt.Asked)

	in.Asked = b.a.now().Add(-time.Second) // by the workflow, which asks once more
	require.NoError(t, b.run(b.a.BookPayment, in, nil))
	require.True(t, in.Asked.Equal(o.invoice.Asked))
	require.True(t, in.Asked.Equal(o.receipt.Asked))
	require.Equal(t, "inv-1", o.receipt.InvoiceID, "linked, so nothing is left unapplied")
	require.Equal(t, copay.Date("2026-11-24"), o.receipt.On)
}

// Without an alias nothing is booked: no other name may stand in for it.
func TestNothingIsBookedWithoutAnAlias(t *testing.T) {
	b, o := officeOf(t)
	b.s.aliasErr = errors.New("the keys are away")
	require.Error(t, b.run(b.a.BookPayment, posting(), nil))
	require.Error(t, b.run(b.a.BookRefund, reversing("rec-1"), nil))
	require.Empty(t, o.invoice.Ref)
	require.Empty(t, o.undone.Ref)
}

func TestBookRefund(t *testing.T) {
	b, o := officeOf(t)
	var out Posted
	require.NoError(t, b.run(b.a.BookRefund, reversing("rec-1"), &out))
	require.Equal(t, "cm-1", out.ID)
	require.False(t, o.undone.Whole)
	require.Empty(t, o.voided)

	whole := reversing("rec-1")
	whole.Amount, whole.Payment.InvoiceID = copay.Cents(25_00), "inv-1"
	o.voids = true
	require.NoError(t, b.run(b.a.BookRefund, whole, &out))
	require.True(t, o.undone.Whole)
	require.Equal(t, []string{"inv-1"}, o.voided, "the invoice goes with the payment that paid it")
}

// The day of a refund is the practice's, as the day of a payment is.
func TestARefundIsBookedOnThePracticesDay(t *testing.T) {
	b, o := officeOf(t)
	b.a.Now = func() time.Time { return time.Date(2027, 1, 1, 2, 0, 0, 0, time.UTC) } // 8 p.m. of 31 December in Chicago
	require.NoError(t, b.run(b.a.BookRefund, reversing("rec-1"), nil))
	require.Equal(t, copay.Date("2026-12-31"), o.undone.On)
}

func TestABookingThatWasMadeWithoutOurKnowingIsReversed(t *testing.T) {
	b, o := officeOf(t)
	in := reversing("")
	var out Posted
	require.NoError(t, b.run(b.a.BookRefund, in, &out))
	require.Empty(t, out.ID)
	o.docs[in.Of] = integrations.AccountingDoc{ID: "rec-7", Kind: integrations.DocPayment}
	require.NoError(t, b.run(b.a.BookRefund, in, &out))
	require.Equal(t, "rec-7", o.undone.PaymentID)
	o.at, o.fails = "find", platformDown()
	require.Equal(t, integrations.KindUnavailable, FailureOf(b.run(b.a.BookRefund, in, nil)).Kind)
}

// What fails at EHR and books says so, at every step.
func TestTroubleOfEHRAndBooksIsPassedOn(t *testing.T) {
	whole := reversing("rec-1")
	whole.Amount, whole.Payment.InvoiceID = copay.Cents(25_00), "inv-1"
	for name, tc := range map[string]struct {
		at   string
		call func(bench) error
	}{
		"no EHR to post to":      {"port", func(b bench) error { return b.run(b.a.PostPayment, posting(), nil) }},
		"post":                   {"post", func(b bench) error { return b.run(b.a.PostPayment, posting(), nil) }},
		"no EHR to look in":      {"port", func(b bench) error { return b.run(b.a.FindPosting, posting(), nil) }},
		"no EHR to reverse in":   {"port", func(b bench) error { return b.run(b.a.ReversePosting, reversing("post-1"), nil) }},
		"reverse":                {"reverse", func(b bench) error { return b.run(b.a.ReversePosting, reversing("post-1"), nil) }},
		"no books":               {"port", func(b bench) error { return b.run(b.a.BookPayment, posting(), nil) }},
		"invoice":                {"invoice", func(b bench) error { return b.run(b.a.BookPayment, posting(), nil) }},
		"receipt":                {"receive", func(b bench) error { return b.run(b.a.BookPayment, posting(), nil) }},
		"no books to reverse in": {"port", func(b bench) error { return b.run(b.a.BookRefund, reversing("rec-1"), nil) }},
		"refund in the books":    {"reverse", func(b bench) error { return b.run(b.a.BookRefund, reversing("rec-1"), nil) }},
		"void of the invoice":    {"void", func(b bench) error { return b.run(b.a.BookRefund, whole, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			b, o := officeOf(t)
			o.voids, o.at, o.fails = tc.at == "void", tc.at, platformDown()
			err := tc.call(b)
			require.Error(t, err)
			require.Equal(t, integrations.KindUnavailable, FailureOf(err).Kind)
		})
	}
}

// What a bookkeeper voided between two attempts is found under our reference
// and counts as no booking.
func TestADocumentThatWasVoidedMeanwhileIsNoBooking(t *testing.T) {
	for _, kind := range []integrations.DocKind{integrations.DocInvoice, integrations.DocPayment} {
		t.Run(string(kind), func(t *testing.T) {
			b, o := officeOf(t)
			o.gone = kind
			f := FailureOf(b.run(b.a.BookPayment, posting(), nil))
			require.Equal(t, integrations.KindInvalid, f.Kind)
			require.Contains(t, f.Message, map[integrations.DocKind]string{integrations.DocInvoice: "inv-1", integrations.DocPayment: "rec-1"}[kind])
			require.Contains(t, f.Message, "was voided there")
		})
	}
}
