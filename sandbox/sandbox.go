// Package sandbox runs all simulators together, each on a port of its own, and
// a page on which one sees what went out and plays the patient and the clinic.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	availitysim "github.com/copayflow/copayflow/sandbox/availity"
	drchronosim "github.com/copayflow/copayflow/sandbox/drchrono"
	quickbookssim "github.com/copayflow/copayflow/sandbox/quickbooks"
	sendgridsim "github.com/copayflow/copayflow/sandbox/sendgrid"
	"github.com/copayflow/copayflow/sandbox/sim"
	stripesim "github.com/copayflow/copayflow/sandbox/stripe"
	twiliosim "github.com/copayflow/copayflow/sandbox/twilio"
)

// The credentials of the sandbox. They open nothing but simulators.
const (
	DrChronoHookSecret = "sandbox-drchrono-hook"
	StripeKey          = "sk_test_sandbox0000000000000000"
	StripeHookSecret   = "whsec_sandbox0000000000000000"
	TwilioToken        = "sandboxtwiliotoken00000000000000"
	SendGridKey        = "SG.sandboxsandboxsandbox.sandbox"
	QuickBooksVerifier = "sandbox-quickbooks-verifier"
)

// Options start a sandbox.
type Options struct {
	// Port is the page's; the simulators follow on the next ones. 0: any free.
	Port int
	Now  func() time.Time
	// Webhook gives the address of the product's webhook for a platform.
	Webhook func(platform string) string
	// Merchant is the practice's name on hosted pages.
	Merchant string
	// Fast makes everything answer at once and lifts rate limits, for
	// benchmarks.
	Fast bool
}

// Sandbox is the running simulators.
type Sandbox struct {
	DrChrono   *drchronosim.Server
	Availity   *availitysim.Server
	Stripe     *stripesim.Server
	Twilio     *twiliosim.Server
	SendGrid   *sendgridsim.Server
	QuickBooks *quickbookssim.Server
	Hooks      *sim.Deliverer
	// URLs are the simulators' addresses by platform; Page is the page's.
	URLs map[string]string
	Page string

	servers []*http.Server
	stop    context.CancelFunc
}

// Start runs everything on loopback.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	s := &Sandbox{Hooks: sim.NewDeliverer(), URLs: map[string]string{}}
	names := []string{"page", "drchrono", "availity", "stripe", "twilio", "sendgrid", "quickbooks"}
	listeners := map[string]net.Listener{}
	for i, name := range names {
		port := 0
		if o.Port != 0 {
			port = o.Port + i
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			return nil, fmt.Errorf("port %d, which the sandbox needs, is taken by another program; stop it or change the ports in temporal-dev.yaml", port)
		}
		listeners[name] = l
		s.URLs[name] = "http://" + l.Addr().String()
	}
	s.Page = s.URLs["page"]
	delete(s.URLs, "page")
	s.simulators(o)
	handlers := map[string]http.Handler{"page": s.page(), "drchrono": s.DrChrono, "availity": s.Availity, "stripe": s.Stripe,
		"twilio": s.Twilio, "sendgrid": s.SendGrid, "quickbooks": s.QuickBooks}
	for name, l := range listeners {
		srv := &http.Server{Handler: handlers[name], ReadHeaderTimeout: 10 * time.Second}
		s.servers = append(s.servers, srv)
		go func() { _ = srv.Serve(l) }() // ends with Stop
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go s.tick(ctx)
	return s, nil
}

// What a practice switches on at the platforms, as docs/platforms says.
var (
	stripeEvents = []string{"payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.processing", "payment_intent.requires_action",
		"payment_intent.canceled", "checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
		"checkout.session.expired", "charge.refunded", "charge.refund.updated", "refund.created", "refund.updated", "charge.dispute.created",
		"charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
		"invoice.paid", "invoice.payment_failed", "invoice.voided"}
	quickBooksEntities = []string{"Invoice", "Payment", "RefundReceipt"}
)

// batchEvery is how long platforms that tell of things in batches gather them
// here; the real ones take half a minute and more.
const batchEvery = 500 * time.Millisecond

func (s *Sandbox) simulators(o Options) {
	at := func(name string) sim.Options { return sim.Options{Now: o.Now, Hooks: s.Hooks, PublicURL: s.URLs[name]} }
	hook := func(name string) string {
		if o.Webhook == nil {
			return ""
		}
		return o.Webhook(name)
	}
	polls := 1
	if o.Fast {
		polls = -1
	}
	s.DrChrono = drchronosim.New(at("drchrono"), drchronosim.Config{WebhookURL: hook("drchrono"), WebhookSecret: DrChronoHookSecret, NoLimits: o.Fast})
	s.Availity = availitysim.New(at("availity"), availitysim.Config{Polls: polls, NoLimits: o.Fast})
	s.Stripe = stripesim.New(at("stripe"), stripesim.Config{SecretKey: StripeKey, WebhookURL: hook("stripe"), WebhookSecret: StripeHookSecret, WebhookEvents: stripeEvents, Merchant: o.Merchant})
	s.Twilio = twiliosim.New(at("twilio"), twiliosim.Config{AuthToken: TwilioToken, InboundURL: inbound(hook("twilio"))})
	s.SendGrid = sendgridsim.New(at("sendgrid"), sendgridsim.Config{APIKey: SendGridKey, WebhookURL: hook("sendgrid"), BatchEvery: batchEvery})
	s.QuickBooks = quickbookssim.New(at("quickbooks"), quickbookssim.Config{WebhookURL: hook("quickbooks"), VerifierToken: QuickBooksVerifier, Entities: quickBooksEntities, NoLimits: o.Fast, NotifyEvery: batchEvery})
}

// inbound asks Twilio for more retries, as docs/platforms/twilio.md says.
func inbound(url string) string {
	if url == "" {
		return ""
	}
	return url + "#rc=5&rp=all"
}

// tick lets time pass at the processor: sessions expire, bank debits settle.
func (s *Sandbox) tick(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.Stripe.Tick()
		}
	}
}

// Stop ends all simulators.
func (s *Sandbox) Stop(ctx context.Context) error {
	s.stop()
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Shutdown(ctx))
	}
	s.SendGrid.Flush()
	s.QuickBooks.Flush()
	s.Hooks.Close()
	return errors.Join(errs...)
}

// PlatformOptions are the configuration of each platform for a practice whose
// platforms are these simulators.
func (s *Sandbox) PlatformOptions(webhookBase string) map[string]map[string]any {
	lit := func(v string) string { return "literal:" + v }
	return map[string]map[string]any{
		"drchrono": {"base_url": s.URLs["drchrono"], "client_id": "sandbox-client", "client_secret": lit("sandbox-secret"), "refresh_token": lit("sandbox-refresh"),
			"webhook_secret": lit(DrChronoHookSecret), "settle_delay": "300ms"},
		"availity": {"base_url": s.URLs["availity"], "client_id": "sandbox-client", "client_secret": lit("sandbox-secret"), "demo": true,
			"payers": map[string]any{"60054": availitysim.PayerA, "62308": availitysim.PayerB}},
		"stripe": {"base_url": s.URLs["stripe"], "secret_key": lit(StripeKey), "webhook_secrets": []any{lit(StripeHookSecret)}, "require_test_mode": true},
		"twilio": {"base_url": s.URLs["twilio"], "account_sid": "AC" + strings.Repeat("0", 32), "auth_tokens": []any{lit(TwilioToken)},
			"messaging_service_sid": "MG" + strings.Repeat("0", 32), "status_callback": webhookBase + "/webhooks/twilio/maple"},
		"sendgrid": {"base_url": s.URLs["sendgrid"], "api_key": lit(SendGridKey), "from": "billing@maple.example", "webhook_public_keys": []any{lit(s.SendGrid.PublicKey())}},
		"quickbooks": {"base_url": s.URLs["quickbooks"], "token_url": s.URLs["quickbooks"] + "/oauth2/v1/tokens/bearer", "realm_id": "9130350000000001", "client_id": "sandbox-client",
			"client_secret": lit("sandbox-secret"), "refresh_token": lit("AB11-sandbox"), "verifier_tokens": []any{lit(QuickBooksVerifier)}, "deposit_account": "Undeposited Funds"},
	}
}
