package ledger_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

func message(id copay.ID) ledger.Notification {
	return ledger.Notification{Practice: maple, CoPayID: id, Ref: copay.NewRef(id, copay.EffectNotify, 1), Channel: copay.ChannelSMS,
		Template: copay.TemplateReminder, Round: 2, Platform: "twilio", ProviderID: "SM1", Status: "queued", At: noon}
}

func TestMessageStatusOnlyMovesForward(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	for range 2 {
		require.NoError(t, b.RecordNotification(t.Context(), message(id)))
	}
	for _, c := range []struct {
		status integrations.DeliveryStatus
		moves  bool
		stands string
	}{
		{integrations.DeliveryQueued, false, "queued"}, {integrations.DeliverySent, true, "sent"}, {integrations.DeliveryQueued, false, "sent"},
		{integrations.DeliveryDelivered, true, "delivered"}, {integrations.DeliveryDelivered, false, "delivered"}, {"odd", false, "delivered"},
		{integrations.DeliveryFailed, true, "failed"}, {integrations.DeliveryDelivered, false, "failed"}, {integrations.DeliveryOptedOut, true, "opted_out"},
	} {
		n, moved, err := b.MessageStatus(t.Context(), maple, "twilio", "SM1", "", c.status, "30007", noon.Add(time.Minute))
		require.NoError(t, err)
		require.Equal(t, c.moves, moved, c.status)
		require.Equal(t, c.stands, n.Status)
		require.Equal(t, id, n.CoPayID)
		require.Equal(t, 2, n.Round)
	}
	list, err := b.Notifications(t.Context(), maple, id)
	require.NoError(t, err)
	want := message(id)
	want.Status, want.Code = "opted_out", "30007"
	require.Equal(t, []ledger.Notification{want}, list)
	for _, provider := range []string{"SM2", ""} {
		_, _, err = b.MessageStatus(t.Context(), maple, "twilio", provider, "", integrations.DeliverySent, "", noon)
		requireCode(t, copay.CodeNotFound, err)
	}
}

func TestNotificationLearnsItsProviderID(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	n := message(id)
	n.ProviderID = ""
	require.NoError(t, b.RecordNotification(t.Context(), n))
	require.NoError(t, b.RecordNotification(t.Context(), message(id)))
	_, moved, err := b.MessageStatus(t.Context(), maple, "twilio", "SM1", "", integrations.DeliverySent, "", noon)
	require.NoError(t, err)
	require.True(t, moved)
	n.Ref = ""
	requireCode(t, copay.CodeInvalid, b.RecordNotification(t.Context(), n))
	n = message("cp_0000000000000000")
	n.Ref, n.ProviderID = "other", "SM3"
	requireCode(t, copay.CodeNotFound, b.RecordNotification(t.Context(), n))
}

func TestArchive(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	history := []byte("sealed history")
	sum := sha256.Sum256(history)
	for range 2 {
		require.NoError(t, b.ArchiveHistory(t.Context(), maple, id, "run-1", noon, history, sum[:]))
	}
	require.Equal(t, 1, b.count(t, `SELECT count(*) FROM audit_log WHERE action = 'history.archived' AND detail ->> 'run' = 'run-1'`))
	other := sha256.Sum256([]byte("other"))
	requireCode(t, copay.CodeInvalid, b.ArchiveHistory(t.Context(), maple, id, "run-1", noon, history, other[:]))
	requireCode(t, copay.CodeConflict, b.ArchiveHistory(t.Context(), maple, id, "run-1", noon, []byte("other"), other[:]))
	requireCode(t, copay.CodeInvalid, b.ArchiveHistory(t.Context(), maple, id, "", noon, history, sum[:]))
	requireCode(t, copay.CodeNotFound, b.ArchiveHistory(t.Context(), maple, "cp_0000000000000000", "run-1", noon, history, sum[:]))
	require.NoError(t, b.ArchiveHistory(t.Context(), maple, id, "run-2", noon.Add(time.Hour), []byte("other"), other[:]))

	list, err := b.Archived(t.Context(), maple, id)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, ledger.ArchiveRow{CoPay: id, RunID: "run-1", ClosedAt: noon, SHA256: sum[:], Size: int64(len(history))}, list[0])
	row, err := b.ArchivedHistory(t.Context(), maple, id, "run-1")
	require.NoError(t, err)
	require.Equal(t, history, row.History)
	_, err = b.ArchivedHistory(t.Context(), maple, id, "run-3")
	requireCode(t, copay.CodeNotFound, err)
	b.exec(t, `ALTER TABLE archive DISABLE TRIGGER archive_append_only`)
	b.exec(t, `UPDATE archive SET history = 'x' WHERE run_id = 'run-1'`)
	_, err = b.ArchivedHistory(t.Context(), maple, id, "run-1")
	requireCode(t, copay.CodePrecondition, err)
	b.exec(t, `UPDATE archive SET sha256 = sha256(history) WHERE run_id = 'run-1'`)
	_, err = b.ArchivedHistory(t.Context(), maple, id, "run-1")
	requireCode(t, copay.CodePrecondition, err) // the audit chain knows better
	forged := sha256.Sum256([]byte("x"))
	require.NoError(t, b.AppendAudit(t.Context(), ledger.AuditEntry{Practice: maple, CoPay: id, Actor: copay.System(), Action: "history.archived",
		Detail: map[string]string{"run": "run-1", "sha256": hex.EncodeToString(forged[:])}}))
	_, err = b.ArchivedHistory(t.Context(), maple, id, "run-1")
	requireCode(t, copay.CodePrecondition, err) // what it said first counts
	_, err = b.ArchivedHistory(t.Context(), maple, id, "run-2")
	require.NoError(t, err)
	rep, err := b.VerifyAudit(t.Context(), maple)
	require.NoError(t, err)
	require.True(t, rep.OK, rep.Problem)
}

// A message whose answer was lost is sent again: its reports come under two
// ids of the platform and one reference of ours.
func TestReportsFindTheirMessageByReference(t *testing.T) {
	b := setup(t)
	b.claim(t, maple, "c-1")
	n := message(keyOf(maple, "c-1").ID())
	require.NoError(t, b.RecordNotification(t.Context(), n))
	got, moved, err := b.MessageStatus(t.Context(), maple, "twilio", "SM-lost", n.Ref, integrations.DeliveryDelivered, "", noon.Add(time.Minute))
	require.NoError(t, err)
	require.True(t, moved)
	require.Equal(t, n.Ref, got.Ref)
	_, _, err = b.MessageStatus(t.Context(), birch, "twilio", "SM-lost", n.Ref, integrations.DeliveryFailed, "", noon.Add(time.Minute))
	requireCode(t, copay.CodeNotFound, err)
}

// A report may be all that is known of a message; our own record completes it.
func TestRecordCompletesAReportedMessage(t *testing.T) {
	b := setup(t)
	b.claim(t, maple, "c-1")
	full := message(keyOf(maple, "c-1").ID())
	reported := full
	reported.Template, reported.Round = "", 0
	require.NoError(t, b.RecordNotification(t.Context(), reported))
	require.NoError(t, b.RecordNotification(t.Context(), full))
	list, err := b.Notifications(t.Context(), maple, full.CoPayID)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, full.Template, list[0].Template)
}

// A report that comes while we record what was sent does not make the message
// one that was not sent: the two meet in whichever order, also at once.
func TestAReportMeetsItsMessageAtOnce(t *testing.T) {
	b := setup(t)
	id := b.claim(t, maple, "c-1")
	for i := range 300 {
		n := ledger.Notification{Practice: maple, CoPayID: id, Ref: copay.NewRef(id, copay.EffectNotify, i+1), Channel: copay.ChannelSMS,
			Platform: "twilio", ProviderID: fmt.Sprintf("SM%d", i), Status: "sent", At: noon}
		sent := n
		sent.Template = copay.TemplateRequest
		errs := make(chan error, 2)
		for _, x := range []ledger.Notification{n, sent} {
			go func() { errs <- b.RecordNotification(t.Context(), x) }()
		}
		require.NoError(t, <-errs, i)
		require.NoError(t, <-errs, i)
	}
	other := ledger.Notification{Practice: maple, CoPayID: id, Ref: copay.NewRef(id, copay.EffectNotify, 999), Channel: copay.ChannelSMS,
		Platform: "twilio", ProviderID: "SM1", Status: "sent", At: noon}
	requireCode(t, copay.CodeConflict, b.RecordNotification(t.Context(), other))
}
