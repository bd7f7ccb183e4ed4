package sendgridsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sendgridsim "github.com/copayflow/copayflow/sandbox/sendgrid"
	"github.com/copayflow/copayflow/sandbox/sim"
)

var start = time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC)

// rig is a simulator with a clock that tests move by hand.
type rig struct {
	*testing.T
	*sendgridsim.Server
	now time.Time
	key string
}

func newRig(t *testing.T, c sendgridsim.Config) *rig {
	t.Helper()
	r := &rig{T: t, now: start, key: sendgridsim.DefaultAPIKey}
	r.Server = sendgridsim.New(sim.Options{Now: func() time.Time { return r.now }}, c)
	return r
}

func (r *rig) call(method, path, body string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	q.Header.Set("Authorization", "Bearer "+r.key)
	q.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	require.NotEmpty(r, w.Header().Get("X-RateLimit-Remaining"), "the rate headers stand on every answer")
	return w
}

// mail is a valid one with changes: values replace, nil removes.
func mail(changes map[string]any) string {
	m := map[string]any{
		"personalizations": []any{map[string]any{"to": []any{map[string]any{"email": "pat@p.example"}}, "custom_args": map[string]any{"ref": "r1"}}},
		"from":             map[string]any{"email": sendgridsim.DefaultSender}, "subject": "s", "content": []any{map[string]any{"type": "text/plain", "value": "v"}},
	}
	for k, v := range changes {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func to(emails ...string) []any {
	var list []any
	for _, e := range emails {
		list = append(list, map[string]any{"email": e})
	}
	return []any{map[string]any{"to": list}}
}

func (r *rig) send(changes map[string]any) string {
	r.Helper()
	w := r.call(http.MethodPost, "/v3/mail/send", mail(changes))
	require.Equal(r, http.StatusAccepted, w.Code, w.Body)
	require.Zero(r, w.Body.Len())
	id := w.Header().Get("X-Message-Id")
	require.NotEmpty(r, id)
	return id
}

// refused is a change to a good mail, and how it is refused.
type refused struct {
	change map[string]any
	status int
	field  string
}

// refusals are the faults that a mail may have.
func refusals() map[string]refused {
	person := func(k string, v any) []any {
		return []any{map[string]any{"to": []any{map[string]any{"email": "pat@p.example"}}, k: v}}
	}
	plain, html := map[string]any{"type": "text/plain", "value": "v"}, map[string]any{"type": "text/html", "value": "v"}
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("p%d@p.example", i)
	}
	on := map[string]any{"enable": true}
	return map[string]refused{
		"nobody":          {map[string]any{"personalizations": nil}, 400, "personalizations"},
		"no to":           {map[string]any{"personalizations": []any{map[string]any{}}}, 400, "personalizations.0.to"},
		"bad address":     {map[string]any{"personalizations": to("x@p.example", "nobody")}, 400, "personalizations.0.to.1.email"},
		"twice":           {map[string]any{"personalizations": to("x@p.example", "X@p.example")}, 400, "personalizations.0"},
		"too many":        {map[string]any{"personalizations": to(many...)}, 400, "personalizations"},
		"args no text":    {map[string]any{"personalizations": person("custom_args", map[string]any{"n": 1})}, 400, "personalizations.0.custom_args.n"},
		"args too long":   {map[string]any{"personalizations": person("custom_args", map[string]any{"n": strings.Repeat("x", 10_000)})}, 400, "personalizations.0.custom_args"},
		"reserved header": {map[string]any{"personalizations": person("headers", map[string]any{"Reply-To": "x"})}, 400, "headers.Reply-To"},
		"far future":      {map[string]any{"send_at": start.Add(73 * time.Hour).Unix()}, 400, "send_at"},
		"milliseconds":    {map[string]any{"personalizations": person("send_at", start.UnixMilli())}, 400, "personalizations.0.send_at"},
		"no sender":       {map[string]any{"from": nil}, 400, "from"},
		"bad sender":      {map[string]any{"from": map[string]any{"email": "x"}}, 400, "from.email"},
		"not verified":    {map[string]any{"from": map[string]any{"email": "x@other.example"}}, 403, "from"},
		"no subject":      {map[string]any{"subject": nil}, 400, "subject"},
		"no content":      {map[string]any{"content": nil}, 400, "content"},
		"wrong order":     {map[string]any{"content": []any{html, plain}}, 400, "content"},
		"empty content":   {map[string]any{"content": []any{map[string]any{"type": "text/plain", "value": ""}}}, 400, "content.0.value"},
		"no type":         {map[string]any{"content": []any{map[string]any{"value": "x"}}}, 400, "content.0.type"},
		"attachment":      {map[string]any{"attachments": []any{map[string]any{"content": "eA=="}}}, 400, "attachments.0"},
		"two reply-tos":   {map[string]any{"reply_to": map[string]any{"email": "a@p.example"}, "reply_to_list": []any{map[string]any{"email": "b@p.example"}}}, 400, "reply_to"},
		"bad reply-to":    {map[string]any{"reply_to": map[string]any{"email": "a"}}, 400, "reply_to.email"},
		"categories":      {map[string]any{"categories": strings.Split("abcdefghijk", "")}, 400, "categories"},
		"same category":   {map[string]any{"categories": []any{"a", "a"}}, 400, "categories.1"},
		"no group":        {map[string]any{"asm": map[string]any{}}, 400, "asm.group_id"},
		"unknown group":   {map[string]any{"asm": map[string]any{"group_id": 8}}, 400, "asm.group_id"},
		"pool":            {map[string]any{"ip_pool_name": "x"}, 400, "ip_pool_name"},
		"bypasses":        {map[string]any{"mail_settings": map[string]any{"bypass_list_management": on, "bypass_spam_management": on}}, 400, "mail_settings.bypass_list_management"},
		"args just":       {map[string]any{"personalizations": person("custom_args", map[string]any{"n": strings.Repeat("x", 9_999)})}, 400, "personalizations.0.custom_args"},
		"args in all":     {map[string]any{"custom_args": `{"a":"` + strings.Repeat("x", 9_998) + `"}`}, 400, "personalizations.0.custom_args"},
		"own sender":      {map[string]any{"personalizations": person("from", map[string]any{"email": "x@other.example"})}, 403, "personalizations.0.from"},
		"own bad sender":  {map[string]any{"personalizations": person("from", map[string]any{"email": "x"})}, 400, "personalizations.0.from.email"},
		"empty subject":   {map[string]any{"personalizations": person("subject", "")}, 400, "personalizations.0.subject"},
		"twice in cc":     {map[string]any{"personalizations": person("cc", []any{map[string]any{"email": "PAT@p.example"}})}, 400, "personalizations.0"},
		"bad in bcc":      {map[string]any{"personalizations": person("bcc", []any{map[string]any{"email": "pat"}})}, 400, "personalizations.0.bcc.0.email"},
		"template":        {map[string]any{"template_id": "d-1"}, 400, "template_id"},
		"text twice":      {map[string]any{"content": []any{plain, plain}}, 400, "content"},
		"html twice":      {map[string]any{"content": []any{html, html}}, 400, "content"},
		"not base64":      {map[string]any{"attachments": []any{map[string]any{"content": "!", "filename": "a"}}}, 400, "attachments.0.content"},
		"disposition":     {map[string]any{"attachments": []any{map[string]any{"content": "eA==", "filename": "a", "disposition": "x"}}}, 400, "attachments.0.disposition"},
		"batch":           {map[string]any{"batch_id": "b"}, 400, "batch_id"},
		"many groups":     {map[string]any{"asm": map[string]any{"group_id": 7, "groups_to_display": make([]int, 26)}}, 400, "asm.groups_to_display"},
		"bad reply-tos":   {map[string]any{"reply_to_list": []any{map[string]any{"email": "a@p.example"}, map[string]any{"email": "A@p.example"}}}, 400, "reply_to_list.1.email"},
		"custom args":     {map[string]any{"custom_args": "[1]"}, 400, "custom_args"},
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{Groups: []int{7}, MoreSenders: []string{"@more.example"}})
	for name, tc := range refusals() {
		w := r.call(http.MethodPost, "/v3/mail/send", mail(tc.change))
		require.Equal(t, tc.status, w.Code, name)
		var e struct{ Errors []struct{ Field string } }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
		require.Equal(t, tc.field, e.Errors[0].Field, name)
	}
	require.Equal(t, 400, r.call(http.MethodPost, "/v3/mail/send", mail(map[string]any{"recipients": 1})).Code, "unknown field")
	require.Equal(t, 400, r.call(http.MethodPost, "/v3/mail/send", "{").Code)
	w := r.call(http.MethodPost, "/v3/mail/send", strings.Repeat(" ", 31<<20))
	require.Equal(t, 413, w.Code)
	require.Contains(t, w.Body.String(), "<html>", "a page, not JSON")
	require.Empty(t, r.Messages())

	r.send(map[string]any{"from": map[string]any{"email": "x@more.example"}, "asm": map[string]any{"group_id": 7}, "content": []any{map[string]any{"type": "text/plain", "value": "v"}, map[string]any{"type": "text/html", "value": "v"}}})
	longest := []any{map[string]any{"to": []any{map[string]any{"email": "pat@p.example"}}, "custom_args": map[string]any{"n": strings.Repeat("x", 9_998)}}}
	r.send(map[string]any{"personalizations": longest, "custom_args": `{"n":"the envelope's own wins"}`})
	r.send(map[string]any{"template_id": "d-0123456789abcdef0123456789abcdef", "content": nil, "subject": nil})
}

func TestKeysScopesAndLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{Scopes: []string{"mail.send"}, RateLimit: 2})
	require.Equal(t, 403, r.call(http.MethodGet, "/v3/suppression/bounces", "").Code)
	w := r.call(http.MethodGet, "/v3/scopes", "")
	require.JSONEq(t, `{"scopes":["mail.send"]}`, w.Body.String())
	require.Equal(t, "1", w.Header().Get("X-RateLimit-Remaining"))
	require.Equal(t, 200, r.call(http.MethodGet, "/v3/scopes", "").Code)
	w = r.call(http.MethodGet, "/v3/scopes", "")
	require.Equal(t, 429, w.Code)
	require.Equal(t, fmt.Sprint(start.Add(time.Minute).Unix()), w.Header().Get("X-RateLimit-Reset"))
	r.now = r.now.Add(time.Minute)
	require.Equal(t, 200, r.call(http.MethodGet, "/v3/scopes", "").Code)
	require.Equal(t, 404, r.call(http.MethodGet, "/v3/nothing", "").Code)
	r.key = "SG.other"
	require.Equal(t, 401, r.call(http.MethodGet, "/v3/scopes", "").Code)
	q := httptest.NewRequest(http.MethodPost, "/v3/mail/send", strings.NewReader(mail(nil)))
	q.Header.Set("Authorization", "Bearer "+sendgridsim.DefaultAPIKey)
	out := httptest.NewRecorder()
	r.ServeHTTP(out, q)
	require.Equal(t, 415, out.Code)
}

func TestMailsOfOneRequest(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{})
	id := r.send(map[string]any{"custom_args": `{"tenant":"maple","ref":"r0"}`, "personalizations": []any{
		map[string]any{"to": []any{map[string]any{"email": "a@p.example"}}, "cc": []any{map[string]any{"email": "b@p.example"}}, "subject": "own"},
		map[string]any{"to": []any{map[string]any{"email": "c@p.example"}}, "custom_args": map[string]any{"ref": "r2"}},
	}})
	got := r.Messages()
	require.Len(t, got, 3)
	for i, want := range [][3]string{{"a@p.example", "own", "r0"}, {"b@p.example", "own", "r0"}, {"c@p.example", "s", "r2"}} {
		require.Equal(t, want, [3]string{got[i].To, got[i].Subject, got[i].Ref})
		require.Equal(t, id, got[i].ID)
		require.Equal(t, id+" delivered", got[i].String())
	}
	w := r.call(http.MethodPost, "/v3/mail/send", mail(map[string]any{"mail_settings": map[string]any{"sandbox_mode": map[string]any{"enable": true}}}))
	require.Equal(t, 200, w.Code)
	require.Len(t, r.Messages(), 3, "sandbox mode sends nothing")
	r.send(map[string]any{"send_at": start.Add(time.Hour).Unix()})
	require.Equal(t, "processed", r.Messages()[3].Status, "not its time yet")
}

func TestDeliveryByHand(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{NoEvents: true})
	id := r.send(map[string]any{"personalizations": to("defer@p.example")})
	for _, want := range []string{"deferred", "delivered", "delivered"} {
		r.Deliver(id)
		require.Equal(t, want, r.Messages()[0].Status)
	}
	r.Deliver("unknown")
	r.Event("unknown", "open", nil)
}

// status sends a mail and says what became of it.
func (r *rig) status(email string, more map[string]any) string {
	r.Helper()
	changes := map[string]any{"personalizations": to(email)}
	for k, v := range more {
		changes[k] = v
	}
	r.send(changes)
	all := r.Messages()
	return all[len(all)-1].Status
}

func (r *rig) list(path string) []map[string]any {
	r.Helper()
	w := r.call(http.MethodGet, path, "")
	require.Equal(r, 200, w.Code)
	var out []map[string]any
	require.NoError(r, json.Unmarshal(w.Body.Bytes(), &out))
	return out
}

func TestSuppressions(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{Groups: []int{7}})
	require.Equal(t, "bounce", r.status("bounce@p.example", nil))
	require.Equal(t, "dropped", r.status("bounce@p.example", nil))
	require.Equal(t, "bounce", r.status("bounce@p.example", map[string]any{"mail_settings": map[string]any{"bypass_list_management": map[string]any{"enable": true}}}))
	require.Equal(t, "bounce", r.status("block@p.example", nil))
	require.Equal(t, "bounce", r.status("block@p.example", nil), "a block does not suppress")
	require.Equal(t, "dropped", r.status("drop@p.example", nil))
	require.Equal(t, "delivered", r.status("spam@p.example", nil))
	require.Equal(t, "dropped", r.status("SPAM@p.example", nil))
	require.True(t, r.Suppressed("spam@p.example"))
	require.False(t, r.Suppressed("block@p.example"))
	for path, email := range map[string]string{"bounces": "bounce@p.example", "blocks": "block@p.example", "invalid_emails": "drop@p.example", "spam_reports": "spam@p.example"} {
		path = "/v3/suppression/" + path
		require.Len(t, r.list(path), 1)
		require.Len(t, r.list(path+"/"+email), 1)
		require.Empty(t, r.list(path+"?offset=1"))
		require.Empty(t, r.list(fmt.Sprintf("%s?start_time=%d", path, start.Unix()+1)))
		require.Equal(t, 204, r.call(http.MethodDelete, path+"/"+email, "").Code)
		require.Equal(t, 404, r.call(http.MethodDelete, path+"/"+email, "").Code)
		require.Empty(t, r.list(path+"/"+email))
	}
	require.Equal(t, "delivered", r.status("spam@p.example", nil), "released, and reported once more")
	require.Equal(t, 400, r.call(http.MethodDelete, "/v3/suppression/spam_reports", "{}").Code)
	require.Equal(t, 204, r.call(http.MethodDelete, "/v3/suppression/spam_reports", `{"emails":["spam@p.example"]}`).Code)
	require.Equal(t, 204, r.call(http.MethodDelete, "/v3/suppression/bounces", `{"delete_all":true}`).Code)

}

func TestUnsubscribes(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{Groups: []int{7}})
	require.Equal(t, 201, r.call(http.MethodPost, "/v3/asm/suppressions/global", `{"recipient_emails":["g@p.example"]}`).Code)
	require.Equal(t, 400, r.call(http.MethodPost, "/v3/asm/suppressions/global", `{}`).Code)
	require.Equal(t, "dropped", r.status("g@p.example", nil))
	require.Len(t, r.list("/v3/suppression/unsubscribes"), 1)
	require.JSONEq(t, `{"recipient_email":"g@p.example"}`, r.call(http.MethodGet, "/v3/asm/suppressions/global/g@p.example", "").Body.String())
	require.Equal(t, 204, r.call(http.MethodDelete, "/v3/asm/suppressions/global/g@p.example", "").Code)
	require.JSONEq(t, `{}`, r.call(http.MethodGet, "/v3/asm/suppressions/global/g@p.example", "").Body.String())

	group := map[string]any{"asm": map[string]any{"group_id": 7}}
	require.Equal(t, 201, r.call(http.MethodPost, "/v3/asm/groups/7/suppressions", `{"recipient_emails":["h@p.example"]}`).Code)
	require.Equal(t, "dropped", r.status("h@p.example", group))
	require.Equal(t, "delivered", r.status("h@p.example", nil), "only mail of that group")
	require.JSONEq(t, `["h@p.example"]`, r.call(http.MethodGet, "/v3/asm/groups/7/suppressions", "").Body.String())
	require.EqualValues(t, 1, r.list("/v3/asm/groups")[0]["unsubscribes"])
	require.Equal(t, 204, r.call(http.MethodDelete, "/v3/asm/groups/7/suppressions/h@p.example", "").Code)
	require.Equal(t, 404, r.call(http.MethodGet, "/v3/asm/groups/8/suppressions", "").Code)

	id := r.send(group)
	for _, kind := range []string{"group_unsubscribe", "group_resubscribe", "unsubscribe", "click", "open"} {
		r.Event(id, kind, nil)
		require.Equal(t, kind != "group_resubscribe", r.Suppressed("pat@p.example"), kind)
	}
}

func TestActivity(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{})
	require.Equal(t, 403, r.call(http.MethodGet, "/v3/messages?query=x", "").Code, "the add-on is not bought")
	r = newRig(t, sendgridsim.Config{EmailActivity: true})
	id := r.send(map[string]any{"categories": []any{"copay"}})
	bounced := r.send(map[string]any{"personalizations": to("bounce@p.example"), "subject": "it's (odd) AND more"})
	r.Event(id, "open", nil)
	r.Event(id, "click", nil)
	find := func(query string) []map[string]any {
		q := httptest.NewRequest(http.MethodGet, "/v3/messages", nil)
		v := q.URL.Query()
		v.Set("query", query)
		w := r.call(http.MethodGet, "/v3/messages?"+v.Encode(), "")
		if w.Code != 200 {
			require.Equal(t, 400, w.Code)
			return nil
		}
		var out struct{ Messages []map[string]any }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
		require.NotNil(t, out.Messages)
		return out.Messages
	}
	for query, want := range map[string]string{
		`to_email="pat@p.example"`: id, `(unique_args['ref']="r1")`: id, `msg_id LIKE '` + id + `%'`: id, `status="not_delivered"`: bounced,
		`Contains(categories,"copay")`: id, `(Contains(categories, 'copay')) AND status='delivered'`: id, `subject="it's (odd) AND more"`: bounced,
		`to_email!="pat@p.example" and from_email="` + sendgridsim.DefaultSender + `"`:                                         bounced,
		`last_event_time BETWEEN TIMESTAMP "2026-03-04T00:00:00Z" AND TIMESTAMP "2026-03-05T00:00:00Z" AND status="delivered"`: id,
	} {
		got := find(query)
		require.Len(t, got, 1, query)
		require.True(t, strings.HasPrefix(got[0]["msg_id"].(string), want+"."), query)
	}
	require.EqualValues(t, 1, find(`status="delivered"`)[0]["opens_count"])
	require.Empty(t, find(`unique_args['ref']="r2"`))
	for _, query := range []string{"", `colour="x"`, `to_email=pat`, `(to_email="x"`, `to_email="x" OR status="y"`, `last_event_time BETWEEN TIMESTAMP "x" AND TIMESTAMP "y"`} {
		require.Nil(t, find(query), query)
	}
	require.Equal(t, 400, r.call(http.MethodGet, "/v3/messages?query=x&limit=0", "").Code)
	full := find(`status="not_delivered"`)[0]["msg_id"].(string)
	w := r.call(http.MethodGet, "/v3/messages/"+full, "")
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), `"bounce_type":"hard"`)
	require.Equal(t, 404, r.call(http.MethodGet, "/v3/messages/unknown", "").Code)
}

func TestFaultBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, sendgridsim.Config{})
	for kind, want := range map[sim.FaultKind]int{sim.FaultRateLimit: 429, sim.FaultServer: 500, sim.FaultToken: 401} {
		r.Faults().Add(sim.Fault{Kind: kind})
		q := httptest.NewRequest(http.MethodGet, "/v3/scopes", nil)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		require.Equal(t, want, w.Code)
		require.Contains(t, w.Body.String(), `"errors"`)
	}
}
