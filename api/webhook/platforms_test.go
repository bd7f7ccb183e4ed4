package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // Twilio's scheme
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/platforms"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
)

// today is when deliveries come.
var today = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

// delivery is what a platform sends.
type delivery struct {
	path, body string
	header     map[string]string
}

// sender plays a platform: it signs as the platform does, with its own code.
type sender struct {
	// practice's options and key.
	options func(secret string) map[string]any
	body    string
	// sign gives the headers of a delivery at a time.
	sign func(secret, address, body string, at time.Time) map[string]string
	// timed says that the signature covers the time.
	timed bool
}

func code(h func() hash.Hash, secret, text string) []byte {
	m := hmac.New(h, []byte(secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func senders(t *testing.T) map[copay.Platform]sender {
	t.Helper()
	// SendGrid signs with keys of its own; a secret names one.
	mails := map[string]*ecdsa.PrivateKey{}
	for _, secret := range []string{"whsec_maple", "whsec_oak", "whsec_stranger"} {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		mails[secret] = k
	}
	return map[copay.Platform]sender{
		"stripe": {
			options: func(secret string) map[string]any {
				return map[string]any{"secret_key": "literal:sk_test_1", "webhook_secrets": []string{"literal:" + secret}}
			},
			body: `{"id":"evt_1","type":"customer.created","data":{"object":{"id":"cus_Sample"}}}`,
			sign: func(secret, _, body string, at time.Time) map[string]string {
				stamp := fmt.Sprint(at.Unix())
				return map[string]string{"Stripe-Signature": "t=" + stamp + ",v1=" + hex.EncodeToString(code(sha256.New, secret, stamp+"."+body))}
			},
			timed: true,
		},
		"sendgrid": {
			options: func(secret string) map[string]any {
				der, err := x509.MarshalPKIXPublicKey(mails[secret].Public())
				require.NoError(t, err)
				return map[string]any{"api_key": "literal:SG.x", "from": "billing@maple.example", "webhook_public_keys": []string{"literal:" + base64.StdEncoding.EncodeToString(der)}}
			},
			body: `[{"event":"bounce","email":"ana@sample.example","sg_event_id":"e1","sg_message_id":"m1","timestamp":1}]` + "\r\n",
			sign: func(secret, _, body string, at time.Time) map[string]string {
				stamp := fmt.Sprint(at.Unix())
				sum := sha256.Sum256([]byte(stamp + body))
				sig, err := ecdsa.SignASN1(rand.Reader, mails[secret], sum[:])
				require.NoError(t, err)
				return map[string]string{"X-Twilio-Email-Event-Webhook-Signature": base64.StdEncoding.EncodeToString(sig), "X-Twilio-Email-Event-Webhook-Timestamp": stamp}
			},
			timed: true,
		},
		"twilio": {
			options: func(secret string) map[string]any {
				return map[string]any{"account_sid": "AC00000000000000000000000000000000", "auth_tokens": []string{"literal:" + secret}, "from": "+15551230000"}
			},
			body: "Body=STOP&From=%2B13125550142&MessageSid=SM00000000000000000000000000000001&To=%2B15551230000",
			sign: func(secret, address, body string, _ time.Time) map[string]string {
				form, err := url.ParseQuery(body)
				require.NoError(t, err)
				text := address
				for _, name := range slices.Sorted(maps.Keys(form)) {
					text += name + form.Get(name)
				}
				return map[string]string{"X-Twilio-Signature": base64.StdEncoding.EncodeToString(code(sha1.New, secret, text)), "Content-Type": "application/x-www-form-urlencoded"}
			},
		},
		"drchrono": {
			options: func(secret string) map[string]any {
				return map[string]any{"client_id": "c", "client_secret": "literal:s", "refresh_token": "literal:r", "webhook_secret": "literal:" + secret}
			},
			body: `{"object":{"id":777,"appointment":"1","patient":42,"updated_at":"2026-11-24T09:00:00"}}`,
			sign: func(secret, _, body string, _ time.Time) map[string]string {
				return map[string]string{"X-drchrono-signature": hex.EncodeToString(code(sha256.New, secret, body)), "X-drchrono-event": "LINE_ITEM_CREATE", "X-drchrono-delivery": "d1"}
			},
		},
		"quickbooks": {
			options: func(secret string) map[string]any {
				return map[string]any{"realm_id": "913", "client_id": "c", "client_secret": "literal:s", "refresh_token": "literal:r", "deposit_account": "Undeposited Funds",
					"verifier_tokens": []string{"literal:" + secret}}
			},
			body: `[{"id":"q1","type":"qbo.payment.updated.v1","time":"2026-11-24T14:00:00Z","intuitentityid":"55","intuitaccountid":"913"}]`,
			sign: func(secret, _, body string, _ time.Time) map[string]string {
				return map[string]string{"intuit-signature": base64.StdEncoding.EncodeToString(code(sha256.New, secret, body))}
			},
		},
	}
}

// endpoint is the real one: connectors, ledger and PostgreSQL.
type endpoint struct {
	http.Handler
	db    *pgxpool.Pool
	store *ledger.Store
}

// open sets both practices up with every platform, each with its own secret.
func open(t *testing.T, all map[copay.Platform]sender) endpoint {
	t.Helper()
	e := endpoint{db: pgtest.Pool(t)}
	now := func() time.Time { return today }
	var err error
	e.store, err = ledger.Open(t.Context(), ledger.Config{Pool: e.db, Keys: pgtest.Keys(t), Now: now})
	require.NoError(t, err)
	t.Cleanup(e.store.Close)
	var practices []integrations.PracticePlatforms
	for _, id := range []copay.PracticeID{"maple", "oak"} {
		p := integrations.PracticePlatforms{ID: id, Platforms: map[copay.Platform]map[string]any{}}
		for name, s := range all {
			p.Platforms[name] = s.options("whsec_" + string(id))
		}
		practices = append(practices, p)
	}
	d := integrations.NewDirectory(platforms.Registry(), practices, integrations.Settings{Tokens: e.store, Now: now})
	for _, s := range append(d.Statuses("maple"), d.Statuses("oak")...) {
		require.NoError(t, s.Err, s.Platform)
	}
	e.Handler, err = New(Options{Inbox: e.store.Inbox(), Directory: d, PublicURL: public, Now: now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return e
}

func (e endpoint) send(d delivery) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", d.path, strings.NewReader(d.body))
	for k, v := range d.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

func (e endpoint) stored(t *testing.T) int {
	t.Helper()
	var n int
	require.NoError(t, e.db.QueryRow(t.Context(), `SELECT count(*) FROM inbox`).Scan(&n))
	return n
}

// deliver is a good delivery to maple.
func (s sender) deliver(platform copay.Platform) delivery {
	path := "/webhooks/" + string(platform) + "/maple"
	return delivery{path, s.body, s.sign("whsec_maple", public+path, s.body, today)}
}

// Every platform that has webhooks is here.
func TestEveryWebhookPlatformIsTested(t *testing.T) {
	t.Parallel()
	all := senders(t)
	for name, make := range platforms.Registry() {
		s, known := all[name]
		options := map[string]any{"client_id": "c", "client_secret": "literal:s"}
		if known {
			options = s.options("whsec_maple")
		}
		c, err := make(integrations.Settings{Practice: "maple", Platform: name, Options: options, Tokens: &ledger.Store{}})
		require.NoError(t, err, name)
		_, hooks := c.(integrations.WebhookSource)
		require.Equal(t, hooks, known, "%s: say here how it signs", name)
	}
}

func TestADeliveryIsStoredOnce(t *testing.T) {
	t.Parallel()
	for name, s := range senders(t) {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			e := open(t, only(name, s))
			d := s.deliver(name)
			require.Equal(t, http.StatusOK, e.send(d).Code)
			require.Equal(t, 1, e.stored(t))
			require.Equal(t, http.StatusOK, e.send(d).Code, "a repeat is acknowledged, or it would come for ever")
			later := d
			later.header = s.sign("whsec_maple", public+d.path, d.body, today.Add(time.Minute))
			require.Equal(t, http.StatusOK, e.send(later).Code, "and so is one that was signed anew")
			var wg sync.WaitGroup
			codes := make([]int, 8)
			for i := range codes {
				wg.Go(func() { codes[i] = e.send(d).Code })
			}
			wg.Wait()
			for _, c := range codes {
				require.Equal(t, http.StatusOK, c)
			}
			require.Equal(t, 1, e.stored(t))

			var practice, platform, sealed string
			require.NoError(t, e.db.QueryRow(t.Context(), `SELECT practice, platform, encode(payload, 'escape') FROM inbox`).Scan(&practice, &platform, &sealed))
			require.Equal(t, []string{"maple", string(name)}, []string{practice, platform})
			for _, secret := range []string{"ana@", "3125550142", "appointment", `"id"`} {
				require.NotContains(t, sealed, secret, "what it says is sealed")
			}
		})
	}
}

// only is one platform alone.
func only(name copay.Platform, s sender) map[copay.Platform]sender {
	return map[copay.Platform]sender{name: s}
}

// What is not proven to come from the practice's own account leaves no trace.
func TestAForgedDeliveryIsRefusedAndNotStored(t *testing.T) {
	t.Parallel()
	for name, s := range senders(t) {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			e := open(t, only(name, s))
			resigned := func(secret string, at time.Time) func(d *delivery) {
				return func(d *delivery) { d.header = s.sign(secret, public+d.path, d.body, at) }
			}
			for why, tc := range map[string]struct {
				spoil func(d *delivery)
				want  []int
			}{
				"not signed":               {func(d *delivery) { keep(d, "Content-Type", "X-Drchrono-Event") }, []int{401}},
				"signed by a stranger":     {resigned("whsec_stranger", today), []int{401}},
				"by the neighbour's":       {resigned("whsec_oak", today), []int{401}},
				"sent to the neighbour":    {func(d *delivery) { d.path = strings.Replace(d.path, "maple", "oak", 1) }, []int{401}},
				"altered":                  {func(d *delivery) { d.body = strings.Replace(d.body, "1", "2", 1) }, []int{401}},
				"with something added":     {func(d *delivery) { d.body += "&x=1" }, []int{400, 401}},
				"emptied":                  {func(d *delivery) { d.body = "" }, []int{400, 401}},
				"with a mangled signature": {func(d *delivery) { mangle(d) }, []int{400, 401}},
				"to nobody":                {func(d *delivery) { d.path = strings.Replace(d.path, "maple", "birch", 1) }, []int{404}},
				"too large": {func(d *delivery) {
					d.body = strings.Repeat(" ", maxBody) + d.body
					d.header = s.sign("whsec_maple", public+d.path, d.body, today)
				}, []int{413}},
			} {
				d := s.deliver(name)
				tc.spoil(&d)
				w := e.send(d)
				require.Contains(t, tc.want, w.Code, why)
				require.Equal(t, http.StatusText(w.Code)+"\n", w.Body.String(), "%s: no reason leaks", why)
			}
			require.Zero(t, e.stored(t))
			require.Equal(t, http.StatusOK, e.send(s.deliver(name)).Code, "the unspoilt one is good")
			require.Equal(t, 1, e.stored(t))
		})
	}
}

// keep drops all headers but some.
func keep(d *delivery, names ...string) {
	for k := range d.header {
		if !slices.Contains(names, http.CanonicalHeaderKey(k)) {
			delete(d.header, k)
		}
	}
}

// mangle breaks the value of the signature's header.
func mangle(d *delivery) {
	for k, v := range d.header {
		if strings.Contains(strings.ToLower(k), "signature") {
			d.header[k] = v[:len(v)-4] + "!!!!"
		}
	}
}

// A delivery that somebody recorded cannot be played again much later, where
// the platform signs the time.
func TestARecordedDeliveryGrowsOld(t *testing.T) {
	t.Parallel()
	for name, s := range senders(t) {
		if !s.timed {
			continue
		}
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			e := open(t, only(name, s))
			d := s.deliver(name)
			for _, at := range []time.Time{today.Add(-48 * time.Hour), today.Add(time.Hour), time.Unix(0, 0)} {
				d.header = s.sign("whsec_maple", public+d.path, d.body, at)
				require.Equal(t, http.StatusUnauthorized, e.send(d).Code, at)
			}
			// The time stands in the signature: it cannot be put forward.
			old, fresh := s.sign("whsec_maple", public+d.path, d.body, today.Add(-48*time.Hour)), fmt.Sprint(today.Unix())
			for k, v := range old {
				old[k] = strings.Replace(v, fmt.Sprint(today.Add(-48*time.Hour).Unix()), fresh, 1)
			}
			d.header = old
			require.Equal(t, http.StatusUnauthorized, e.send(d).Code)
			require.Zero(t, e.stored(t))
		})
	}
}

// What cannot be stored is not acknowledged: the platform comes again.
func TestADeliveryThatCannotBeStoredIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	s := senders(t)["stripe"]
	e := open(t, only("stripe", s))
	require.NoError(t, e.store.Ping(t.Context()))
	_, err := e.db.Exec(t.Context(), `ALTER TABLE inbox RENAME TO inbox_away`)
	require.NoError(t, err)
	w := e.send(s.deliver("stripe"))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	_, err = e.db.Exec(t.Context(), `ALTER TABLE inbox_away RENAME TO inbox`)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, e.send(s.deliver("stripe")).Code)
	require.Equal(t, 1, e.stored(t))
}
