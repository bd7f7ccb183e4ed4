package main

import (
	"io"
	"strings"
	"unicode"
)

// plain is text that may come from outside, made harmless for a terminal:
// control characters and those that turn the direction of writing are shown
// as what they are not.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// oneLine is plain text for a cell of a table.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(plain(text), func(r rune) bool { return r == '\n' || r == '\t' }), " ")
}

// terminal keeps what is not plain away from a person's screen.
type terminal struct{ w io.Writer }

func (t terminal) Write(b []byte) (int, error) {
	if _, err := io.WriteString(t.w, plain(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
