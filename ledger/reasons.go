package ledger

import (
	"context"
	"encoding/base64"
	"strings"
)

// sealedMark begins a sealed reason in the audit log. The chain covers what is
// stored, so it is verified without any key.
const sealedMark = "sealed:"

func reasonCell(e AuditEntry) string { return e.Action + "/" + string(e.CoPay) }

// sealReason is an entry's reason as it is stored.
func (r *keyring) sealReason(e AuditEntry) (string, error) {
	if e.Reason == "" {
		return "", nil
	}
	sealed, err := r.seal("audit_log", reasonCell(e), []byte(e.Reason))
	return sealedMark + base64.RawStdEncoding.EncodeToString(sealed), err
}

// openReason is a stored reason as it was given; what was stored before reasons
// were sealed, or does not open, is shown as it stands.
func (s *Store) openReason(ctx context.Context, e AuditEntry) string {
	text, ok := strings.CutPrefix(e.Reason, sealedMark)
	if !ok {
		return e.Reason
	}
	sealed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return e.Reason
	}
	plain, err := s.open(ctx, e.Practice, "audit_log", reasonCell(e), sealed)
	if err != nil {
		return e.Reason
	}
	return string(plain)
}
