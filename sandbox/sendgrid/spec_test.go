package sendgridsim_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/internal/spectest"
	sendgridsim "github.com/copayflow/copayflow/sandbox/sendgrid"
)

// mailSchema is what the official specification says of a mail.
func mailSchema(t *testing.T) *openapi3.Schema {
	t.Helper()
	path := spectest.Path("sendgrid", "tsg-mail-v3.json")
	if path == "" {
		t.Skip("the SendGrid specification is not beside the repository (COPAYFLOW_SPECS): the simulator was not checked against it")
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	require.NoError(t, err)
	return doc.Paths.Value("/v3/mail/send").Post.RequestBody.Value.Content["application/json"].Schema.Value
}

// samples are good values of fields whose type alone does not say enough.
var samples = map[string]any{
	"from.email": sendgridsim.DefaultSender, "personalizations.from.email": sendgridsim.DefaultSender, "personalizations.to.email": "pat@p.example",
	"personalizations.cc.email": "cc@p.example", "personalizations.bcc.email": "bcc@p.example", "reply_to.email": "office@p.example",
	"reply_to_list.email": "office@p.example", "template_id": "d-0123456789abcdef0123456789abcdef", "asm.group_id": sendgridsim.DefaultGroup,
	"asm.groups_to_display": []any{sendgridsim.DefaultGroup}, "attachments.content": "eA==", "attachments.disposition": "inline",
	"content.type": "text/plain", "custom_args": `{"a":"b"}`, "send_at": start.Unix(), "personalizations.send_at": start.Unix(),
}

// sample makes a good value of a schema.
func sample(s *openapi3.Schema, at string) any {
	if v, ok := samples[at]; ok {
		return v
	}
	switch {
	case s.Type.Is("array"):
		return []any{sample(s.Items.Value, at)}
	case s.Type.Is("object") || len(s.Properties) > 0:
		o := map[string]any{}
		for _, name := range s.Required {
			o[name] = sample(s.Properties[name].Value, strings.TrimPrefix(at+"."+name, "."))
		}
		return o
	case s.Type.Is("integer"):
		return 1
	case s.Type.Is("boolean"):
		return true
	}
	return "xx"
}

// around puts a value into an otherwise good mail at a path.
func around(s *openapi3.Schema, at string, segs []string, v any) any {
	if len(segs) == 0 {
		return v
	}
	if s.Type.Is("array") {
		return []any{around(s.Items.Value, at, segs, v)}
	}
	o := sample(s, at).(map[string]any)
	if at == "" {
		maps.Copy(o, map[string]any{"subject": "s", "content": []any{map[string]any{"type": "text/plain", "value": "v"}}})
	}
	next := strings.TrimPrefix(at+"."+segs[0], ".")
	o[segs[0]] = around(s.Properties[segs[0]].Value, next, segs[1:], v)
	return o
}

// fieldsOf lists every field of a mail by its path.
func fieldsOf(s *openapi3.Schema, at string, out map[string]*openapi3.Schema) {
	if s.Type.Is("array") {
		fieldsOf(s.Items.Value, at, out)
	}
	for name, p := range s.Properties {
		path := strings.TrimPrefix(at+"."+name, ".")
		out[path] = p.Value
		fieldsOf(p.Value, path, out)
	}
}

// violations are values that the specification refuses.
func violations(s *openapi3.Schema, at string) map[string]any {
	out := map[string]any{"of another type": map[string]any{"a": map[string]any{}}}
	if s.Type.Is("object") || len(s.Properties) > 0 {
		out["of another type"] = "text"
	}
	if s.MinLength > 0 {
		out["too short"] = strings.Repeat("x", int(s.MinLength)-1)
	}
	if s.MaxLength != nil {
		out["too long"] = strings.Repeat("x", int(*s.MaxLength)+1)
	}
	if s.MaxItems != nil {
		out["too many"] = slices.Repeat([]any{sample(s.Items.Value, at)}, int(*s.MaxItems)+1)
	}
	if s.UniqueItems {
		out["twice"] = slices.Repeat([]any{sample(s.Items.Value, at)}, 2)
	}
	if len(s.Enum) > 0 {
		out["not in the list"] = "teleported"
	}
	if s.Format == "email" {
		out["no address"] = "nobody"
	}
	for _, name := range s.Required {
		lacks := sample(s, at).(map[string]any)
		delete(lacks, name)
		out["without "+name] = lacks
	}
	return out
}

// notSimulated are fields that the simulator refuses and the platform takes.
var notSimulated = []string{"batch_id"}

// TestAMailIsThePlatforms holds mail/send to the official specification, field
// by field: each is taken with a good value, and none with a value that the
// specification refuses.
func TestAMailIsThePlatforms(t *testing.T) {
	t.Parallel()
	schema := mailSchema(t)
	r := newRig(t, sendgridsim.Config{NoEvents: true})
	send := func(mail any) int {
		body, err := json.Marshal(mail)
		require.NoError(t, err)
		return r.call(http.MethodPost, "/v3/mail/send", string(body)).Code
	}
	fields := map[string]*openapi3.Schema{}
	fieldsOf(schema, "", fields)
	require.Greater(t, len(fields), 60)
	for path, field := range fields {
		segs := strings.Split(path, ".")
		if !slices.Contains(notSimulated, path) {
			status := send(around(schema, "", segs, sample(field, path)))
			if status != http.StatusOK && status != http.StatusAccepted {
				t.Errorf("%s is refused: %d", path, status)
			}
		}
		for why, v := range violations(field, path) {
			if status := send(around(schema, "", segs, v)); status != http.StatusBadRequest {
				t.Errorf("%s %s is taken: %d", path, why, status)
			}
		}
	}
}
