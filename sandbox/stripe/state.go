package stripesim

import (
	"crypto/rand"
	"math/big"
	"time"
)

// obj is an object on the wire.
type obj = map[string]any

// record is anything kept in a table.
type record interface {
	head() *header
	wire(s *Server) obj
}

// header is what every object has.
type header struct {
	id      string
	created time.Time
}

func (h *header) head() *header { return h }

// table keeps objects in the order of their creation.
type table[T record] struct {
	byID  map[string]T
	order []T
}

func (t *table[T]) add(x T) T {
	if t.byID == nil {
		t.byID = map[string]T{}
	}
	t.byID[x.head().id] = x
	t.order = append(t.order, x)
	return x
}

func (t *table[T]) get(id string) (T, bool) {
	x, ok := t.byID[id]
	return x, ok
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newID makes a random id: a restarted sandbox must not hand out an id that
// the product has seen before.
func newID(prefix string) string {
	b := make([]byte, 16)
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(base62))))
		if err != nil {
			panic(err) // the system's randomness never fails
		}
		b[i] = base62[n.Int64()]
	}
	return prefix + string(b)
}

func (s *Server) fresh(prefix string) header {
	return header{id: newID(prefix), created: s.now().Truncate(time.Second)}
}

type customer struct {
	header
	name, email, phone, description string
	defaultMethod                   string // that pays invoices
	metadata                        map[string]string
	deleted                         bool
}

type paymentMethod struct {
	header
	kind     string // card, us_bank_account
	card     testCard
	customer string
	metadata map[string]string
	// used says that it paid once without a customer and is spent.
	used bool
}

type intent struct {
	header
	amount, received int64
	currency         string
	status           string
	customer, method string
	types            []string
	automatic        bool
	redirects        bool // automatic methods that may redirect
	setupFuture      string
	captureMethod    string
	description      string
	suffix           string
	receiptEmail     string
	metadata         map[string]string
	lastError        *apiError
	latestCharge     string
	invoice, session string
	cancelledAt      time.Time
	cancelReason     string
	returnURL        string
}

type charge struct {
	header
	intent, customer, method, invoice string
	amount, refunded                  int64
	currency, status                  string // pending, succeeded, failed
	description                       string
	metadata                          map[string]string
	failureCode, failureMessage       string
	outcome                           string // network status of a decline
	txn                               string
	disputed                          bool
	authenticated                     bool
}

type session struct {
	header
	status, paymentStatus      string
	successURL, cancelURL, url string
	clientRef                  string
	customer, email, creation  string
	types                      []string
	lines                      []line
	currency                   string
	total                      int64
	metadata, intentMeta       map[string]string
	setupFuture, description   string
	suffix                     string
	intent                     string
	expires                    time.Time
}

type line struct {
	id, name, description string
	unit, quantity        int64
}

type refund struct {
	header
	intent, charge string
	amount         int64
	currency       string
	reason, status string
	failure        string
	metadata       map[string]string
	txn            string
}

type dispute struct {
	header
	intent, charge string
	amount         int64
	currency       string
	reason, status string
	metadata       map[string]string
	evidence       map[string]string
	submissions    int
	txns           []string
}

type invoice struct {
	header
	customer, status              string
	currency                      string
	collection                    string
	description                   string
	metadata                      map[string]string
	number                        string
	autoAdvance, outOfBand        bool
	defaultMethod                 string
	dueAt                         time.Time
	finalizedAt, paidAt, voidedAt time.Time
	uncollectibleAt               time.Time
	intent                        string
	paid                          int64
	attempts                      int
	deleted                       bool
}

type invoiceItem struct {
	header
	customer, invoice, currency string
	amount                      int64
	description                 string
	metadata                    map[string]string
	deleted                     bool
}

type txn struct {
	header
	amount, fee         int64
	currency            string
	kind, category      string
	source, description string
	available           time.Time
}

type payout struct {
	header
	amount   int64
	currency string
	txn      string
	arrival  time.Time
}

type event struct {
	header
	kind      string
	object    obj
	requestID string
	key       string
}

// merge updates metadata as the platform does: an empty value removes a key.
func merge(into, from map[string]string) map[string]string {
	if into == nil {
		into = map[string]string{}
	}
	for k, v := range from {
		if v == "" {
			delete(into, k)
			continue
		}
		into[k] = v
	}
	return into
}

func clone(m map[string]string) map[string]string { return merge(map[string]string{}, m) }
