package twiliosim

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's scheme
	"encoding/base64"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// post sends a signed form. The fragment of the address holds connection
// overrides; it is neither sent nor signed.
func (s *Server) post(address string, p url.Values) {
	if address == "" {
		return
	}
	target, _, _ := strings.Cut(address, "#")
	signedURL := target
	if s.cfg.SignWithPort {
		signedURL = withDefaultPort(target)
	}
	s.o.Hooks.Send(sim.Delivery{URL: target, Body: []byte(p.Encode()), Header: http.Header{
		"Content-Type":               {"application/x-www-form-urlencoded; charset=UTF-8"},
		"User-Agent":                 {"TwilioProxy/1.1"},
		"X-Twilio-Signature":         {sign(s.cfg.AuthToken, signedURL, p)},
		"I-Twilio-Idempotency-Token": {newID("")},
	}})
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
