package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/copayflow/copayflow/codec"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	"github.com/copayflow/copayflow/worker"
	"github.com/copayflow/copayflow/workflows"
)

// restart halts API and worker and starts them with keys in this order, the
// first one of each kind encrypting.
func (s scene) restart(codecKeys, masterKeys []string) {
	s.t.Helper()
	require.NoError(s.t, s.Halt(s.t.Context()))
	require.NoError(s.t, s.Resume(s.t.Context(), func(cfg map[string]any) {
		for list, ids := range map[string][]string{"codec_keys": codecKeys, "master_keys": masterKeys} {
			keys := []any{}
			for _, id := range ids {
				file := map[string]string{"c1": "codec", "m1": "master"}[id]
				if file == "" {
					file = id
				}
				ref, err := s.Key(file)
				require.NoError(s.t, err)
				keys = append(keys, map[string]any{"id": id, "secret": ref})
			}
			cfg[list] = keys
		}
	}))
}

// payloadsOf are a run's inputs and signals as Temporal keeps them, and the
// names of the keys they are under.
func (s scene) payloadsOf(key copay.Key) (all []*commonpb.Payload, keys map[string]bool) {
	s.t.Helper()
	keys = map[string]bool{}
	iter := s.Process.Temporal.GetWorkflowHistory(s.t.Context(), key.WorkflowID(), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iter.HasNext() {
		e, err := iter.Next()
		require.NoError(s.t, err)
		for _, p := range append(e.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(), e.GetWorkflowExecutionSignaledEventAttributes().GetInput().GetPayloads()...) {
			if id := string(p.GetMetadata()[codec.KeyIDField]); id != "" { // a signal without content has none
				all, keys[id] = append(all, p), true
			}
		}
	}
	return all, keys
}

// decoded is what the Temporal UI shows an auditor.
func (s scene) decoded(payloads []*commonpb.Payload) string {
	s.t.Helper()
	token, err := devToken(s.Stack, "otto", "auditor")
	require.NoError(s.t, err)
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: payloads})
	require.NoError(s.t, err)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/codec/decode", bytes.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, res.StatusCode, string(b))
	out := &commonpb.Payloads{}
	require.NoError(s.t, protojson.Unmarshal(b, out))
	var text strings.Builder
	for _, p := range out.GetPayloads() {
		text.Write(p.GetData())
	}
	return text.String()
}

func (s scene) archived(key copay.Key) string {
	s.t.Helper()
	var row ledger.ArchiveRow
	require.Eventually(s.t, func() bool {
		s.trigger(worker.ArchiveSchedule)
		kept, err := s.Process.Store.Archived(s.t.Context(), key.Practice, key.ID())
		if err != nil || len(kept) == 0 {
			return false
		}
		row, err = s.Process.Store.ArchivedHistory(s.t.Context(), key.Practice, key.ID(), kept[0].RunID)
		return err == nil
	}, patience, 500*time.Millisecond, "the history is not archived")
	return string(row.History)
}

// Both kinds of keys are changed as docs/operations.md says, with co-pays open
// all the time: what is old stays readable, what is new is under the new key,
// and the old master key can go when everything is wrapped anew.
func TestKeysAreRotatedUnderOpenCoPays(t *testing.T) {
	t.Parallel()
	s := begin(t, nil)
	ana, kim := s.charge("ana"), s.charge("kim")
	s.in(ana, copay.StateAwaitingPayment)
	const words = "asked for a receipt by letter"
	require.NoError(t, s.act(ana, workflows.UpdateAddNote, workflows.AddNote{Act: workflows.Act{Actor: staff, Reason: "phone call", Key: "n1"}, Text: words}))
	s.pays(kim)
	s.in(kim, copay.StateSettled)

	s.restart([]string{"c1", "c2"}, []string{"m1", "m2"}) // everybody can read the new ones before anybody writes with them
	s.restart([]string{"c2", "c1"}, []string{"m2", "m1"})
	zoe := s.charge("zoe")
	s.in(zoe, copay.StateAwaitingPayment)
	_, under := s.payloadsOf(zoe)
	require.Equal(t, map[string]bool{"c2": true}, under, "what is new is under the new key")

	wrapped, err := s.Process.Store.RewrapKeys(t.Context())
	require.NoError(t, err)
	require.Positive(t, wrapped)
	require.NoError(t, s.Process.Store.RotateDataKey(t.Context(), ana.Practice))
	s.restart([]string{"c2", "c1"}, []string{"m2"}) // Temporal still holds what c1 encrypted

	s.pays(ana)
	s.in(ana, copay.StateSettled)
	payloads, under := s.payloadsOf(ana)
	require.Equal(t, map[string]bool{"c1": true, "c2": true}, under, "one run under both")
	require.Contains(t, s.decoded(payloads), `"drchrono"`)
	events, err := s.Process.Store.Timeline(t.Context(), ana.Practice, ana.ID())
	require.NoError(t, err)
	var notes strings.Builder
	for _, e := range events {
		notes.WriteString(e.Sensitive)
	}
	require.Contains(t, notes.String(), words, "it was sealed under the first data key, and that wrapped by the first master key")
	require.Contains(t, s.archived(kim), base64.StdEncoding.EncodeToString([]byte("c1")), "the archive keeps histories as they were encrypted")

	// A key that is taken out too early, by one who did not read on.
	s.restart([]string{"c3"}, []string{"m2"})
	s.paysAlone(zoe)
	sam := s.charge("sam")
	s.await(sam, "goes on with the new key", func(c copay.CoPay) bool { return !c.ChargeAt.IsZero() })
	s.stuck(zoe)
	s.restart([]string{"c3", "c2", "c1"}, []string{"m2"})
	s.in(zoe, copay.StateSettled)
	require.Equal(t, copay.StateAwaitingPayment, s.await(sam, "still waits", func(copay.CoPay) bool { return true }).State)
	s.invariants()
}

// stuck waits until a workflow's task has failed, with the workflow still open.
func (s scene) stuck(key copay.Key) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		d, err := s.Process.Temporal.DescribeWorkflowExecution(s.t.Context(), key.WorkflowID(), "")
		require.NoError(s.t, err)
		require.Equal(s.t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, d.GetWorkflowExecutionInfo().GetStatus())
		return d.GetPendingWorkflowTask().GetAttempt() > 1
	}, patience, 20*time.Millisecond, "no task failed")
}
