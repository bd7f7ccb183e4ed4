package quickbookssim

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// statement is a parsed query:
//
//	select * | count(*) | <property>, … from <Entity>
//	[where <property> <operator> <literal> [and …]]
//	[orderby <property> [asc|desc], …] [startposition n] [maxresults n]
type statement struct {
	columns []string // none: all
	count   bool
	entity  string
	where   []condition
	order   []ordering
	start   int
	most    int
}

type condition struct {
	property string
	operator string // = < > <= >= in like
	literals []string
}

type ordering struct {
	property string
	down     bool
}

const (
	defaultRows = 100
	maxRows     = 1000
	maxQuery    = 8 << 10
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenText // quoted
	tokenSign
)

type token struct {
	kind tokenKind
	text string
}

// lex cuts a statement into tokens. Text is quoted with ' and escapes with \.
func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '\'':
			text, next, err := lexText(s, i+1)
			if err != nil {
				return nil, err
			}
			out, i = append(out, token{tokenText, text}), next
		case strings.IndexByte("<>", c) >= 0 && i+1 < len(s) && s[i+1] == '=':
			out, i = append(out, token{tokenSign, s[i : i+2]}), i+2
		case strings.IndexByte("<>=(),*", c) >= 0:
			out, i = append(out, token{tokenSign, string(c)}), i+1
		case wordByte(c):
			j := i
			for j < len(s) && wordByte(s[j]) {
				j++
			}
			out, i = append(out, token{tokenWord, s[i:j]}), j
		default:
			return nil, fmt.Errorf("unexpected character at %d", i)
		}
	}
	return out, nil
}

func lexText(s string, i int) (string, int, error) {
	var b strings.Builder
	for ; i < len(s); i++ {
		switch s[i] {
		case '\'':
			return b.String(), i + 1, nil
		case '\\':
			if i++; i >= len(s) {
				return "", 0, errors.New("text ends in an escape")
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, errors.New("text is not closed")
}

func wordByte(c byte) bool {
	return c == '.' || c == '_' || c == '-' || c == ':' || c == '+' || (c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))))
}

type parser struct {
	tokens []token
	at     int
}

func (p *parser) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return token{}
}

func (p *parser) next() token {
	t := p.peek()
	p.at++
	return t
}

// word takes the next token when it is that keyword.
func (p *parser) word(w string) bool {
	if t := p.peek(); t.kind == tokenWord && strings.EqualFold(t.text, w) {
		p.at++
		return true
	}
	return false
}

func (p *parser) sign(s string) bool {
	if t := p.peek(); t.kind == tokenSign && t.text == s {
		p.at++
		return true
	}
	return false
}

func (p *parser) name() (string, error) {
	t := p.next()
	if t.kind != tokenWord {
		return "", errors.New("a name is missing")
	}
	return t.text, nil
}

// parseQuery reads a statement.
func parseQuery(text string) (statement, error) {
	st := statement{start: 1, most: defaultRows}
	if len(text) > maxQuery {
		return st, errors.New("the statement is too long")
	}
	tokens, err := lex(text)
	if err != nil {
		return st, err
	}
	p := &parser{tokens: tokens}
	for _, part := range []func(*statement) error{p.selects, p.from, p.wheres, p.orders, p.rows} {
		if err := part(&st); err != nil {
			return st, err
		}
	}
	if p.peek().kind != tokenEnd {
		return st, fmt.Errorf("unexpected %q", p.peek().text)
	}
	return st, nil
}

func (p *parser) selects(st *statement) error {
	if !p.word("select") {
		return errors.New("a statement begins with select")
	}
	if p.sign("*") {
		return nil
	}
	for {
		n, err := p.name()
		if err != nil {
			return err
		}
		if strings.EqualFold(n, "count") && p.sign("(") {
			if !p.sign("*") || !p.sign(")") {
				return errors.New("count takes (*)")
			}
			st.count = true
			return nil
		}
		st.columns = append(st.columns, n)
		if !p.sign(",") {
			return nil
		}
	}
}

func (p *parser) from(st *statement) (err error) {
	if !p.word("from") {
		return errors.New("from is missing")
	}
	st.entity, err = p.name()
	return err
}

func (p *parser) wheres(st *statement) error {
	if !p.word("where") {
		return nil
	}
	for {
		c, err := p.condition()
		if err != nil {
			return err
		}
		st.where = append(st.where, c)
		if !p.word("and") {
			return nil
		}
	}
}

func (p *parser) condition() (condition, error) {
	var c condition
	var err error
	if c.property, err = p.name(); err != nil {
		return c, err
	}
	op := p.next()
	c.operator = strings.ToLower(op.text)
	switch {
	case op.kind == tokenWord && c.operator == "in":
		return c, p.list(&c)
	case op.kind == tokenWord && c.operator == "like", op.kind == tokenSign && strings.Contains("= < > <= >=", op.text):
		l, err := p.literal()
		c.literals = []string{l}
		return c, err
	}
	return c, errors.New("an operator is missing")
}

func (p *parser) list(c *condition) error {
	if !p.sign("(") {
		return errors.New("in takes a list")
	}
	for {
		l, err := p.literal()
		if err != nil {
			return err
		}
		c.literals = append(c.literals, l)
		if p.sign(")") {
			return nil
		}
		if !p.sign(",") {
			return errors.New("the list is not closed")
		}
	}
}

// literal is quoted text, or a bare number or boolean.
func (p *parser) literal() (string, error) {
	t := p.next()
	switch {
	case t.kind == tokenText:
		return t.text, nil
	case t.kind == tokenWord:
		if _, err := ParseAmount(t.text); err == nil || strings.EqualFold(t.text, "true") || strings.EqualFold(t.text, "false") {
			return t.text, nil
		}
	}
	return "", errors.New("a quoted value is missing")
}

func (p *parser) orders(st *statement) error {
	if !p.word("orderby") {
		if !p.word("order") {
			return nil
		}
		if !p.word("by") {
			return errors.New("by is missing")
		}
	}
	for {
		n, err := p.name()
		if err != nil {
			return err
		}
		o := ordering{property: n, down: p.word("desc")}
		if !o.down {
			p.word("asc")
		}
		st.order = append(st.order, o)
		if !p.sign(",") {
			return nil
		}
	}
}

func (p *parser) rows(st *statement) error {
	for {
		var to *int
		switch {
		case p.word("startposition"):
			to = &st.start
		case p.word("maxresults"):
			to = &st.most
		default:
			return nil
		}
		n, err := strconv.Atoi(p.next().text)
		if err != nil || n < 1 || (to == &st.most && n > maxRows) {
			return errors.New("startposition begins at 1 and maxresults ends at 1000")
		}
		*to = n
	}
}
