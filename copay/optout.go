package copay

import (
	"strings"
	"unicode"
)

// InboundIntent is what a patient's text message means.
type InboundIntent string

// The intents.
const (
	IntentStop    InboundIntent = "stop"    // revoke: 47 CFR 64.1200(a)(10) names the words
	IntentStart   InboundIntent = "start"   // consent again
	IntentHelp    InboundIntent = "help"    // who are you
	IntentUnclear InboundIntent = "unclear" // may be a revocation: pause the channel, a person reads it
	IntentOther   InboundIntent = "other"   // anything else: a person reads it
)

var (
	stopWords  = set("stop", "stopall", "quit", "end", "revoke", "optout", "cancel", "unsubscribe", "alto", "parar", "pare", "baja", "cancelar")
	startWords = set("start", "unstop", "yes", "comenzar")
	helpWords  = set("help", "info", "ayuda")
	// hints in longer texts that the writer may not want to be texted.
	hints = []string{"stop", "unsubscribe", "optout", "opt out", "opt-out", "revoke", "donttext", "don't text", "dont text", "do not text", "no more text",
		"quit text", "remove me", "take me off", "leave me alone", "wrong number", "no me escriba", "no me mande", "no mas mensajes", "número equivocado", "numero equivocado", "who is this"}
)

func set(words ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range words {
		m[w] = true
	}
	return m
}

// ClassifyInbound reads an inbound text. Case, punctuation, spaces and emoji
// do not matter for the key words ("Opt-Out!", "STOP 🛑"). A longer text that
// may be a revocation is unclear rather than other: consent may be revoked by
// any reasonable means.
func ClassifyInbound(text string) InboundIntent {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	switch word := b.String(); {
	case stopWords[word], stopWords[strings.TrimPrefix(word, "please")], stopWords[strings.TrimSuffix(word, "please")]:
		return IntentStop
	case startWords[word]:
		return IntentStart
	case helpWords[word]:
		return IntentHelp
	}
	plain := strings.ReplaceAll(strings.ToLower(text), "’", "'")
	for _, h := range hints {
		if strings.Contains(plain, h) {
			return IntentUnclear
		}
	}
	return IntentOther
}
