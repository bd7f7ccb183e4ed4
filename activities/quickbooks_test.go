package activities

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/quickbooks"
	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	"github.com/copayflow/copayflow/sandbox/sim"
)

// bookTokens keeps the token of one practice.
type bookTokens struct {
	mu  sync.Mutex
	tok integrations.Token
}

func (m *bookTokens) Load(context.Context, copay.PracticeID, copay.Platform) (integrations.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tok, nil
}

func (m *bookTokens) Refresh(ctx context.Context, _ copay.PracticeID, _ copay.Platform,
	renew func(context.Context, integrations.Token) (integrations.Token, error)) (integrations.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, err := renew(ctx, m.tok)
	if err == nil {
		m.tok = next
	}
	return next, err
}

// bookPorts are platforms whose books are real ones.
type bookPorts struct {
	*platforms
	books integrations.Accounting
}

func (p bookPorts) Poster(copay.PracticeID, copay.Platform) (integrations.PaymentPoster, error) {
	return nil, platformDown()
}

func (p bookPorts) Books(copay.PracticeID) (copay.Platform, integrations.Accounting, error) {
	return "quickbooks", p.books, nil
}

// booksOf are the steps with the true connector in front of the simulator.
func booksOf(t *testing.T, depositAccount string) (bench, *quickbookssim.Server) {
	t.Helper()
	b := setup(t)
	s := quickbookssim.New(sim.Options{Now: b.a.Now}, quickbookssim.Config{NoLimits: true})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c, err := quickbooks.New(integrations.Settings{Practice: "maple", Platform: "quickbooks", Tokens: &bookTokens{}, Now: b.a.Now, Options: map[string]any{
		"realm_id": "9130350000000001", "client_id": "sandbox-client", "client_secret": "literal:sandbox-secret", "refresh_token": "literal:AB11-sandbox",
		"base_url": srv.URL, "token_url": srv.URL + "/oauth2/v1/tokens/bearer", "deposit_account": depositAccount, "refund_account": "Checking",
		"limit_per_second": 1000, "limit_per_minute": 60000}})
	require.NoError(t, err)
	b.a.Ports = bookPorts{b.p, c}
	return b, s
}

func booking() PostInput {
	in := posting()
	in.Ref = copay.NewRef(key.ID(), copay.EffectBook, 1)
	return in
}

// unbooking is the input of the step that takes the whole booking back; what
// BookPayment did is known to the books only.
func unbooking(bookedID, invoiceID string) PostInput {
	in := booking()
	in.Of, in.Ref = in.Ref, copay.NewRef(key.ID(), copay.EffectUnbook, 1)
	in.Payment.BookedID, in.Payment.InvoiceID = bookedID, invoiceID
	return in
}

// The invoice was made and its payment refused; then the co-pay is taken back.
func TestAnInvoiceWithoutPaymentGoesWithItsBooking(t *testing.T) {
	b, s := booksOf(t, "Stripe clearing") // an account the books do not have
	err := b.run(b.a.BookPayment, booking(), nil)
	require.Equal(t, integrations.KindInvalid, FailureOf(err).Kind)
	require.Len(t, s.Books().Invoices, 1)

	part := unbooking("", "")
	part.Amount = copay.Cents(10_00)
	require.NoError(t, b.run(b.a.BookRefund, part, nil))
	require.Equal(t, int64(2500), s.Books().Invoices[0].Balance, "the rest of the payment is to be booked on it yet")
	part.Amount, part.Rest = copay.Cents(15_00), true
	var out Posted
	require.NoError(t, b.run(b.a.BookRefund, part, &out))
	require.Zero(t, s.Books().Invoices[0].Balance, "nobody owes it: all of it was taken back")
	require.Equal(t, s.Books().Invoices[0].ID, out.ID)
	require.NoError(t, b.run(b.a.BookRefund, unbooking("", ""), nil), "and again")
}

// Invoice and payment were made, and the run never heard of it.
func TestTheInvoiceOfABookingNobodyKnewGoesWithIt(t *testing.T) {
	b, s := booksOf(t, "Undeposited Funds")
	require.NoError(t, b.run(b.a.BookPayment, booking(), nil))
	require.NoError(t, b.run(b.a.BookRefund, unbooking("", ""), nil))
	require.Zero(t, s.Books().Net())
	require.Zero(t, s.Books().Invoices[0].Balance, "nobody owes it: the co-pay was taken back")
}

// What was asked for before invoices were named is done as far as it is known.
func TestABookingWhoseInvoiceIsNotNamedLeavesIt(t *testing.T) {
	b, s := booksOf(t, "Undeposited Funds")
	require.NoError(t, b.run(b.a.BookPayment, booking(), nil))
	in := unbooking("", "")
	in.InvoiceRef = ""
	require.NoError(t, b.run(b.a.BookRefund, in, nil))
	require.Zero(t, s.Books().Net())
}

// The bookkeeper has deleted the invoice that a voided payment leaves open.
func TestAnInvoiceThatWasDeletedNeedsNoVoid(t *testing.T) {
	b, s := booksOf(t, "Undeposited Funds")
	var out Booked
	require.NoError(t, b.run(b.a.BookPayment, booking(), &out))
	require.NoError(t, s.VoidPayment(out.PaymentID))
	require.NoError(t, s.DeleteInvoice(out.InvoiceID))
	require.NoError(t, b.run(b.a.BookRefund, unbooking(out.PaymentID, out.InvoiceID), nil), "payment void, invoice gone: nothing is left to be done")
}

// The EHR's number of a patient would tell who they are, at a platform without
// a business associate agreement.
func TestTheBooksDoNotHoldThePatientsNumber(t *testing.T) {
	b, s := booksOf(t, "Undeposited Funds")
	in := booking()
	in.Patient = "84410273"
	require.NoError(t, b.run(b.a.BookPayment, in, nil))
	require.Len(t, s.Customers(), 1)
	for name := range s.Customers() {
		require.NotContains(t, name, "84410273")
	}
}

// Two EHRs number their patients on their own: one number is two people.
func TestPatientsOfTwoEHRsAreTwoCustomers(t *testing.T) {
	b, s := booksOf(t, "Undeposited Funds")
	require.NoError(t, b.run(b.a.BookPayment, booking(), nil))
	in := booking()
	in.Key.EHR = "otherehr"
	in.Ref, in.InvoiceRef = copay.NewRef(in.Key.ID(), copay.EffectBook, 1), copay.NewRef(in.Key.ID(), copay.EffectInvoice, 1)
	require.NoError(t, b.run(b.a.BookPayment, in, nil))
	require.Len(t, s.Customers(), 2)
}
