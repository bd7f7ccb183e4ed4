package quickbookssim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/copayflow/copayflow/sandbox/sim"
)

// cloudOperation spells an operation as the newer envelope does.
var cloudOperation = map[string]string{"Create": "created", "Update": "updated", "Delete": "deleted", "Merge": "merged", "Void": "void", "Emailed": "emailed"}

// notify puts the changes of a write that the app wants to hear of into the
// next notification.
func (s *Server) notify(changes []change) {
	if len(s.c.Entities) > 0 {
		changes = slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return !slices.Contains(s.c.Entities, c.entity) })
	}
	if s.c.WebhookURL != "" {
		s.hooks.Add(changes...)
	}
}

// send signs a notification of changes and sends it.
func (s *Server) send(changes []change) {
	body := s.cloudEvents(changes)
	if s.c.Envelope == "legacy" {
		body = s.legacy(changes)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	h.Set("intuit-signature", s.sign(body))
	h.Set("User-Agent", "intuit_notification_sandbox")
	s.o.Hooks.Send(sim.Delivery{URL: s.c.WebhookURL, Header: h, Body: body})
}

func (s *Server) sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(s.c.VerifierToken))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Server) cloudEvents(changes []change) []byte {
	list := make([]map[string]any, 0, len(changes))
	for _, c := range changes {
		list = append(list, map[string]any{
			"specversion": "1.0", "id": s.eventID(), "source": "intuit." + base64.StdEncoding.EncodeToString([]byte("sandbox")),
			"type":            "qbo." + strings.ToLower(c.entity) + "." + cloudOperation[c.op] + ".v1",
			"datacontenttype": "application/json", "time": c.at.UTC().Format("2006-01-02T15:04:05.000Z"),
			"intuitentityid": c.id, "intuitaccountid": s.c.RealmID, "data": map[string]any{},
		})
	}
	b, _ := json.Marshal(list)
	return b
}

func (s *Server) legacy(changes []change) []byte {
	list := make([]map[string]string, 0, len(changes))
	for _, c := range changes {
		list = append(list, map[string]string{"name": c.entity, "id": c.id, "operation": c.op, "lastUpdated": c.at.UTC().Format("2006-01-02T15:04:05.000Z")})
	}
	b, _ := json.Marshal(map[string]any{"eventNotifications": []any{
		map[string]any{"realmId": s.c.RealmID, "dataChangeEvent": map[string]any{"entities": list}}}})
	return b
}

// eventID is a UUID that is new for each event of this company.
func (s *Server) eventID() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", s.c.RealmID, s.tid.Next(), s.now().UnixNano()/int64(time.Microsecond)))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
