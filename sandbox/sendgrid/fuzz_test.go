package sendgridsim

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// FuzzActivityQuery reads arbitrary queries of the email activity. What is
// accepted can be asked of a mail, and only narrows when it is asked with
// another condition.
func FuzzActivityQuery(f *testing.F) {
	f.Add(`to_email="pat@p.example" AND (Contains(categories, 'copay'))`)
	f.Add(`(unique_args['ref']="r1")`)
	f.Add(`msg_id LIKE 'abc%'`)
	f.Add(`subject LIKE "(%_[" and status!="delivered"`)
	f.Add(`last_event_time BETWEEN TIMESTAMP "2026-03-04T00:00:00Z" AND TIMESTAMP "2026-03-05T00:00:00Z"`)
	f.Add(`((`)
	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)
	m := &message{id: "abc", to: "pat@p.example", from: DefaultSender, subject: "s", args: map[string]string{"ref": "r1"}, categories: []string{"copay"},
		status: "delivered", at: now, last: now}
	f.Fuzz(func(t *testing.T, query string) {
		match, err := parseQuery(query)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		narrower, err := parseQuery(query + ` AND status="delivered"`)
		require.NoError(t, err)
		require.Equal(t, match(m), narrower(m))
		never, err := parseQuery(query + ` AND status="not_delivered"`)
		require.NoError(t, err)
		require.False(t, never(m))
	})
}

// FuzzMail reads arbitrary mails. What is accepted has a recipient, a verified
// sender and something to say.
func FuzzMail(f *testing.F) {
	f.Add([]byte(`{"personalizations":[{"to":[{"email":"pat@p.example"}],"custom_args":{"ref":"r1"}}],"from":{"email":"billing@maple.example"},"subject":"s","content":[{"type":"text/plain","value":"v"}]}`))
	f.Add([]byte(`{"personalizations":[{"to":[{"email":"a@b.c"}],"from":{}}],"custom_args":"{\"a\":1}","asm":{},"headers":{"To":"x"}}`))
	f.Add([]byte(`{"personalizations":[null],"from":null,"content":[null],"attachments":[{}]}`))
	s := New(sim.Options{}, Config{NoEvents: true})
	f.Fuzz(func(t *testing.T, body []byte) {
		var in request
		if json.Unmarshal(body, &in) != nil {
			return
		}
		args, e := s.check(in)
		if e != nil {
			require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, e.status)
			require.NotEmpty(t, e.field)
			return
		}
		require.NotNil(t, args)
		require.Equal(t, DefaultSender, in.From.Email)
		require.True(t, in.TemplateID != "" || len(in.Content) > 0)
		id := s.accept(in, args)
		for _, m := range s.Messages() {
			require.Equal(t, id, m.ID)
			require.NotEmpty(t, m.To)
		}
		s.messages = nil
	})
}
