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
	stopWords  = set("stop", "stopall", "quit", "end", "revoke", "optout", "cancel", "unsubscribe", "alto", "parar", "pare", "baja", "cancelar", "detener")
	startWords = set("start", "unstop", "yes", "comenzar")
	helpWords  = set("help", "info", "ayuda")
	// hints are words and phrases of longer texts whose writer may not want to
	// be texted, as plain leaves them.
	hints = []string{
		" stop ", " stopall ", " quit ", " revoke ", " optout ", " opt out ", " opt me out ", " cancel ", " unsubscribe ",
		" dont text ", " donttext ", " do not text ", " dont contact ", " do not contact ", " dont message ", " do not message ", " dont send ", " do not send ",
		" end texts ", " end these ", " end messages ", " no more ", " stop texting ", " stopping ", " never text ", " remove me ", " remove my ", " take me off ",
		" delete my number ", " delete me ", " leave me alone ", " wrong number ", " wrong person ", " who is this ", " spam ", " lawyer ", " harass", " unsuscribe ",
		" alto ", " pare ", " baja ", " no me escrib", " no me mand", " no me envi", " no mas ", " dejen de ", " deje de ", " numero equivocado ",
	}
	// plainer spells what phones write in several ways in one.
	plainer = strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ü", "u", "ñ", "n", "'", "", "’", "", "‘", "", "`", "", "´", "")
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
	words := plain(text)
	word := strings.ReplaceAll(words, " ", "")
	bare := word
	for _, polite := range []string{"please", "porfavor"} {
		bare = strings.TrimSuffix(strings.TrimPrefix(bare, polite), polite)
	}
	switch {
	case stopWords[bare]:
		return IntentStop
	case startWords[word]:
		return IntentStart
	case helpWords[word]:
		return IntentHelp
	}
	for _, h := range hints {
		if strings.Contains(words, h) {
			return IntentUnclear
		}
	}
	return IntentOther
}

// plain is a text as lower-case words with one space before, between and
// after them. Letters of the full-width forms become plain ones.
func plain(text string) string {
	var b strings.Builder
	b.WriteByte(' ')
	gap := true
	for _, r := range plainer.Replace(strings.ToLower(text)) {
		if r >= 'ａ' && r <= 'ｚ' {
			r -= 'ａ' - 'a'
		}
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
			gap = false
		case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r):
			// accents and joiners belong to the letter before
		case !gap:
			b.WriteByte(' ')
			gap = true
		}
	}
	if !gap {
		b.WriteByte(' ')
	}
	return b.String()
}
