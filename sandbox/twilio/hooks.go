package twiliosim

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's scheme
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// post sends a signed form. The fragment of the address holds connection
// overrides; it is neither sent nor signed.
func (s *Server) post(address string, p url.Values) {
	if address == "" {
		return
	}
	target, overrides, _ := strings.Cut(address, "#")
	signedURL := target
	if s.cfg.SignWithPort {
		signedURL = withDefaultPort(target)
	}
	s.o.Hooks.Send(sim.Delivery{URL: target, Body: []byte(p.Encode()), Retry: retry(overrides), Header: http.Header{
		"Content-Type":               {"application/x-www-form-urlencoded; charset=UTF-8"},
		"User-Agent":                 {"TwilioProxy/1.1"},
		"X-Twilio-Signature":         {sign(s.cfg.AuthToken, signedURL, p)},
		"I-Twilio-Idempotency-Token": {newID("")},
	}})
}

// tries are the gaps before at most five retries, which end within the 15
// seconds that a webhook may take in all.
var tries = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 4 * time.Second}

// retry reads the connection overrides: rc is the number of retries (1), rp
// the failures they follow (ct: there was no connection).
func retry(overrides string) *sim.Retry {
	o, err := url.ParseQuery(overrides)
	if err != nil {
		o = nil
	}
	n, err := strconv.Atoi(o.Get("rc"))
	if err != nil {
		n = 1
	}
	on := strings.Split(o.Get("rp"), ",")
	return &sim.Retry{Gaps: tries[:min(max(n, 0), len(tries))], After: func(status int, err error) bool {
		switch {
		case slices.Contains(on, "all"):
			return true
		case err != nil:
			return on[0] == "" || slices.Contains(on, "ct") || slices.Contains(on, "rt")
		}
		return slices.Contains(on, strconv.Itoa(status/100)+"xx")
	}}
}

// sign is base64(HMAC-SHA1(token, URL + sorted name and value pairs)).
func sign(token, address string, p url.Values) string {
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	sort.Strings(names)
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(address))
	for _, name := range names {
		mac.Write([]byte(name + p.Get(name)))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func withDefaultPort(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Port() != "" {
		return address
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return strings.Replace(address, u.Host, u.Host+port, 1)
}
