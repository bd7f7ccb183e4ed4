package copay_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
)

func TestClassifyInbound(t *testing.T) {
	t.Parallel()
	for intent, texts := range map[copay.InboundIntent][]string{
		copay.IntentStop: {
			// The seven words of 47 CFR 64.1200(a)(10), each in several dresses.
			"stop", "STOP", "Stop!", " stop\n", "STOP 🛑", "🛑🛑 stop 🙏🏽", "S T O P", "s.t.o.p.", "stop\u200d", "ＳＴＯＰ", "please stop", "Stop please.", "\"STOP\"", "stopall", "STOP ALL",
			"quit", "End.", "REVOKE", "revoke❤️", "opt out", "opt-out", "OPTOUT", "Opt Out!!!", "cancel", "Unsubscribe", "UNSUBSCRIBE.",
			"ALTO", "baja", "Por favor pare", "cancelar",
		},
		copay.IntentStart: {"START", "start!", "Unstop", "yes", "YES ✅", "comenzar"},
		copay.IntentHelp:  {"HELP", "help?", "info", "Ayuda", "¿Ayuda?"},
		copay.IntentUnclear: {
			"please don't text me", "please don’t text me", "PLEASE DONT TEXT ME", "do not text me again", "Stop texting me", "I said STOP already", "take me off this list",
			"wrong number", "Who is this?", "no more messages", "cancel my texts", "quit bothering me", "I revoke my consent", "unsubscribe me", "opt me out", "leave me alone!!",
			"don't contact me", "quiero parar, no me escriba más", "Número equivocado", "no me envíe mensajes", "stop by tomorrow?", "remove my number",
		},
		copay.IntentOther: {"", " ", "🙏", "ok", "thanks!", "I paid yesterday", "yes please", "can I pay on Friday?", "what is this bill for", "stopwatch", "the pharmacy is at the bus stopover", "12345", "please"},
	} {
		for _, text := range texts {
			require.Equal(t, intent, copay.ClassifyInbound(text), "%q", text)
		}
	}
}

func FuzzClassifyInbound(f *testing.F) {
	for _, s := range []string{"stop", "STOP 🛑", "please don't text me", "START", "help", "\xff\xfe", strings.Repeat("stop ", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := copay.ClassifyInbound(s)
		switch got {
		case copay.IntentStop, copay.IntentStart, copay.IntentHelp, copay.IntentUnclear, copay.IntentOther:
		default:
			t.Fatalf("%q is %q", s, got)
		}
		if !utf8.ValidString(s) {
			return
		}
		// What surrounds the words does not change what they mean.
		require.Equal(t, got, copay.ClassifyInbound("  "+s+"!! 🛑\n"), "%q", s)
		// A text with a revocation of its own never counts as consent or chatter.
		with := copay.ClassifyInbound(s + " stop ")
		require.Contains(t, []copay.InboundIntent{copay.IntentStop, copay.IntentUnclear}, with, "%q", s)
	})
}
