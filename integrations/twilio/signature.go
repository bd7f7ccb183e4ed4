package twilio

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the platform's scheme; HMAC-SHA1 is not broken
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// signed is the text that the platform signs for a form: the URL, then every
// parameter, sorted by name in byte order, as name and decoded value without
// separators. Of a repeated parameter each distinct value counts once, in
// sorted order (webhooks security, "explore the algorithm yourself").
func signed(address string, params url.Values) string {
	var b strings.Builder
	b.WriteString(address)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		values := slices.Sorted(slices.Values(params[name]))
		for _, v := range slices.Compact(values) {
			b.WriteString(name)
			b.WriteString(v)
		}
	}
	return b.String()
}

// signatureMatches compares in constant time against every token and every
// spelling of the URL. It never stops early.
func (c *Connector) signatureMatches(address string, params url.Values, signature string) bool {
	got, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	valid := false
	for _, spelling := range spellings(address) {
		text := []byte(signed(spelling, params))
		for _, token := range c.cfg.AuthTokens {
			mac := hmac.New(sha1.New, []byte(token.Reveal()))
			mac.Write(text)
			if hmac.Equal(mac.Sum(nil), got) {
				valid = true
			}
		}
	}
	return valid
}

// spellings are the URLs that the platform may have signed: it is
// inconsistent about the port, so one with the default port added and one
// with any port removed both count. The fragment, which holds connection
// overrides, is never signed. All else stays as it was, byte by byte.
func spellings(address string) []string {
	address, _, _ = strings.Cut(address, "#")
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return []string{address}
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	user, host := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, host = authority[:i+1], authority[i+1:]
	}
	name, port := host, ""
	// A colon inside the brackets of an IPv6 address starts no port.
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i+1:]
	}
	if port == "" {
		port = "443"
		if strings.EqualFold(scheme, "http") {
			port = "80"
		}
	}
	head := scheme + "://" + user + name
	return []string{head + path, head + ":" + port + path}
}

// bodyHashMatches checks the hash that stands in the URL of a delivery whose
// body is not a form; the signature covers the URL and so the hash.
func bodyHashMatches(address string, body []byte) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	want, err := hex.DecodeString(u.Query().Get("bodySHA256"))
	if err != nil || len(want) == 0 {
		return false
	}
	sum := sha256.Sum256(body)
	return hmac.Equal(sum[:], want)
}
