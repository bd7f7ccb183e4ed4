package stripesim

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// keyLife is how long an answer is kept under its key
// (docs.stripe.com/api/idempotent_requests: at least 24 hours).
const keyLife = 24 * time.Hour

// keyRecord is the first answer under a key.
type keyRecord struct {
	request   [32]byte // of method, path and parameters
	status    int
	body      []byte
	requestID string
	at        time.Time
}

// flights knows the keys whose first request is still running.
type flights struct {
	mu   sync.Mutex
	busy map[string]bool
}

func (f *flights) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if r.Method != http.MethodPost || key == "" {
			next.ServeHTTP(w, r)
			return
		}
		f.mu.Lock()
		busy := f.busy[key]
		f.busy[key] = true
		f.mu.Unlock()
		if busy {
			w.Header().Set("Request-Id", newID("req_"))
			(&apiError{status: http.StatusConflict, Type: "invalid_request_error", Code: "idempotency_key_in_use",
				Message: "There is currently another in-progress request using this Stripe-Idempotency-Key (that probably means you submitted twice, and the other request is still going through): " + key}).write(w)
			return
		}
		defer func() {
			f.mu.Lock()
			delete(f.busy, key)
			f.mu.Unlock()
		}()
		next.ServeHTTP(w, r)
	})
}

// answer runs a call, or replays the answer kept under its key.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, rt *route, c *call) {
	if c.key == "" {
		status, body, _ := s.run(rt, c)
		writeRaw(w, status, body)
		return
	}
	if len(c.key) > 255 {
		invalid("", "", "Idempotency-Key is too long: it has %d characters, 255 are allowed.", len(c.key)).write(w)
		return
	}
	sum := sha256.Sum256([]byte(r.Method + " " + r.URL.Path + "?" + c.p.canonical()))
	if k := s.keys[c.key]; k != nil && s.now().Sub(k.at) < keyLife {
		if k.request != sum {
			(&apiError{status: http.StatusBadRequest, Type: "idempotency_error",
				Message: "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '" + c.key + "' if you meant to execute a different request."}).write(w)
			return
		}
		w.Header().Set("Idempotent-Replayed", "true")
		w.Header().Set("Original-Request", k.requestID)
		w.Header().Set("Idempotency-Key", c.key)
		writeRaw(w, k.status, k.body)
		return
	}
	status, body, keep := s.run(rt, c)
	if keep {
		s.keys[c.key] = &keyRecord{request: sum, status: status, body: body, requestID: c.requestID, at: s.now()}
	}
	w.Header().Set("Idempotency-Key", c.key)
	writeRaw(w, status, body)
}

// run executes the call and says whether a key keeps its answer.
func (s *Server) run(rt *route, c *call) (status int, body []byte, keep bool) {
	var out obj
	e := c.p.check(rt.params)
	if e == nil && c.key != "" && s.breakNext > 0 {
		s.breakNext--
		e = serverError()
	}
	if e == nil {
		out, e = rt.run(c)
	}
	if e == nil {
		e = s.expand(out, c.p.strings("expand"))
	}
	if e != nil {
		e.RequestLogURL = "https://dashboard.stripe.com/test/logs/" + c.requestID
		return e.status, encode(e.body()), e.kept
	}
	return http.StatusOK, encode(out), true
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // our own maps of plain values always encode
	}
	return b.Bytes()
}

func writeRaw(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
