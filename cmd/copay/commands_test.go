package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

const someCoPay = "cp_0123456789abcdef"

// echo answers every method there is: with what was prepared, or empty.
type echo struct {
	answers map[string][]proto.Message // by method, one after the other
	fail    error
	mu      sync.Mutex
	called  []string
	in      map[string]proto.Message
}

func (e *echo) handle(_ any, s grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(s)
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(full, "/"), "/", ".")))
	if err != nil {
		return err
	}
	m := d.(protoreflect.MethodDescriptor)
	in := dynamicpb.NewMessage(m.Input())
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.called = append(e.called, string(m.Name()))
	if e.in == nil {
		e.in = map[string]proto.Message{}
	}
	e.in[string(m.Name())] = in
	if e.fail != nil {
		return e.fail
	}
	var out proto.Message = dynamicpb.NewMessage(m.Output())
	if list := e.answers[string(m.Name())]; len(list) > 0 {
		out, e.answers[string(m.Name())] = list[0], list[1:]
	}
	return s.SendMsg(out)
}

func (e *echo) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return against(t, grpc.NewServer(grpc.UnknownServiceHandler(e.handle)), args...)
}

// Whatever the API can do, the command line can.
func TestEveryMethodHasACommand(t *testing.T) {
	t.Parallel()
	e := &echo{}
	why := []string{"--reason", "because"}
	for _, args := range [][]string{
		{"start", "777"}, {"get", someCoPay}, {"list"}, {"watch", someCoPay}, {"timeline", someCoPay},
		append([]string{"override", someCoPay, "--amount", "1"}, why...), append([]string{"waive", someCoPay}, why...),
		append([]string{"pay", someCoPay, "--amount", "1"}, why...), append([]string{"resend", someCoPay}, why...),
		append([]string{"pause", someCoPay}, why...), append([]string{"resume", someCoPay}, why...), append([]string{"rail", someCoPay, "cash"}, why...),
		append([]string{"cancel", someCoPay}, why...), append([]string{"refund", someCoPay, "--amount", "1"}, why...),
		append([]string{"approve-refund", someCoPay, "ref-1"}, why...), append([]string{"review", someCoPay, "--choice", "retry"}, why...),
		append([]string{"note", someCoPay, "--text", "x"}, why...),
		{"ledger", "entries"}, {"ledger", "balance"}, {"ledger", "estimates"}, {"audit", "list"}, {"audit", "verify"}, {"audit", "histories", someCoPay}, {"audit", "history", someCoPay, "run"},
		{"platforms", "list"}, {"platforms", "test", "stripe"}, {"inbox", "dead"}, {"inbox", "stats"}, {"consent", "show", someCoPay},
		append([]string{"inbox", "replay", "1"}, why...), append([]string{"inbox", "dismiss", "1"}, why...),
		append([]string{"consent", "card", "pat-1", "--cap", "50", "--charge", "777", "--text-version", "v1"}, why...),
		append([]string{"consent", "card-revoke", "pat-1"}, why...),
		append([]string{"consent", "message", "+13125550142", "--text-version", "v1"}, why...),
		append([]string{"consent", "message-revoke", "+13125550142"}, why...),
	} {
		_, err := e.run(t, args...)
		require.NotEqual(t, exitUsage, exitCodeOf(err), "%v: %v", args, err)
	}
	var all []string
	protoregistry.GlobalFiles.RangeFilesByPackage("copay.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				all = append(all, string(f.Services().Get(i).Methods().Get(j).Name()))
			}
		}
		return true
	})
	require.Greater(t, len(all), 30)
	slices.Sort(e.called)
	require.ElementsMatch(t, all, slices.Compact(e.called))
}

// Staff who ask for a message are told when it does not go out at once.
func TestAResendSaysWhyItWaits(t *testing.T) {
	t.Parallel()
	const held = "not sent yet: one message a day"
	for name, tc := range map[string]struct {
		kinds []string
		says  bool
	}{"held back": {[]string{"sent", "resend", "not_sent"}, true}, "held back before": {[]string{"not_sent", "resend", "sent"}, false}, "not decided yet": {[]string{"not_sent", "resend"}, false}} {
		var events []*copayv1.TimelineEvent
		for _, k := range tc.kinds {
			events = append(events, &copayv1.TimelineEvent{Kind: k, Summary: map[bool]string{true: held}[k == "not_sent"]})
		}
		e := &echo{answers: map[string][]proto.Message{"GetTimeline": {&copayv1.GetTimelineResponse{Events: events}}}}
		text, err := e.run(t, "resend", someCoPay, "--reason", "she called")
		require.NoError(t, err)
		require.Equal(t, tc.says, strings.Contains(text, held), name)
	}
}

// Nothing goes back of what nobody paid.
func TestAWithdrawalIsNotCalledARefund(t *testing.T) {
	t.Parallel()
	e := &echo{answers: map[string][]proto.Message{"WaiveCoPay": {&copayv1.WaiveCoPayResponse{Copay: &copayv1.CoPay{Id: someCoPay, State: copayv1.State_STATE_REFUNDING}}}}}
	text, err := e.run(t, "waive", someCoPay, "--reason", "goodwill")
	require.NoError(t, err)
	require.Contains(t, text, "nothing was paid")
}

func exitCodeOf(err error) int {
	if err == nil {
		return 0
	}
	return exitCode(err)
}

func TestAMistypedSubcommandIsAMistake(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{"audit verfy": "did you mean verify?", "ledger foo": "there is no 'copay ledger foo'", "consent mesage": "message"} {
		_, err := (&echo{}).run(t, strings.Fields(args)...)
		require.ErrorContains(t, err, want)
		require.Equal(t, exitUsage, exitCode(err))
	}
	text, err := (&echo{}).run(t, "audit")
	require.NoError(t, err)
	require.Contains(t, text, "histories", "a group alone shows what it holds")
}

func TestTextFromOutsideCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	evil := "ok\x1b[2J\x1b]0;owned\x07\u202egnp.exe\nforged row"
	e := &echo{answers: map[string][]proto.Message{
		"GetTimeline": {&copayv1.GetTimelineResponse{Events: []*copayv1.TimelineEvent{{Summary: evil}}}},
		"GetCoPay":    {&copayv1.GetCoPayResponse{Copay: &copayv1.CoPay{Id: someCoPay, Review: &copayv1.Review{Message: evil}}}}}}
	for _, args := range [][]string{{"timeline", someCoPay}, {"get", someCoPay}} {
		text, err := e.run(t, args...)
		require.NoError(t, err)
		require.NotContains(t, text, "\x1b")
		require.NotContains(t, text, "\x07")
		require.NotContains(t, text, "\u202e")
		if args[0] == "timeline" {
			require.Len(t, strings.Split(strings.TrimSpace(text), "\n"), 2, "a header and one row")
		}
	}
	e.fail = status.Error(codes.FailedPrecondition, evil)
	_, err := e.run(t, "get", someCoPay)
	require.NotContains(t, err.Error(), "\x1b")
	e.fail = nil
	e.answers["GetTimeline"] = []proto.Message{&copayv1.GetTimelineResponse{Events: []*copayv1.TimelineEvent{{Summary: evil}}}}
	text, err := e.run(t, "timeline", someCoPay, "--json")
	require.NoError(t, err)
	require.Contains(t, text, `\u001b[2J`, "machines get it exactly, escaped")
}

func TestListsHavePages(t *testing.T) {
	t.Parallel()
	entries := func(id int64, next string) proto.Message {
		return &copayv1.ListEntriesResponse{NextPageToken: next, Entries: []*copayv1.Entry{{Id: id, Step: "step-" + string(rune('0'+id)), Lines: []*copayv1.EntryLine{{Account: "cash"}}}}}
	}
	e := &echo{answers: map[string][]proto.Message{"ListEntries": {entries(1, "t2")}}}
	text, err := e.run(t, "ledger", "entries", "--page-size", "1")
	require.NoError(t, err)
	require.Contains(t, text, "There is more: --all, or --page-token t2")
	require.Len(t, e.called, 1)

	e.answers["ListEntries"] = []proto.Message{entries(1, "t2"), entries(2, "")}
	text, err = e.run(t, "ledger", "entries", "--all")
	require.NoError(t, err)
	require.Contains(t, text, "step-1")
	require.Contains(t, text, "step-2")
	require.NotContains(t, text, "There is more")
	require.Equal(t, 1, strings.Count(text, "STEP"), "one table")
	sent, ok := e.in["ListEntries"].(*dynamicpb.Message)
	require.True(t, ok)
	require.Equal(t, "t2", sent.Get(sent.Descriptor().Fields().ByName("page_token")).String())
	_, err = e.run(t, "ledger", "entries", "--all", "--page-token", "x")
	require.Equal(t, exitUsage, exitCode(err))
}

func TestAllPlatformsAreTestedAtOnce(t *testing.T) {
	t.Parallel()
	e := &echo{answers: map[string][]proto.Message{
		"ListPlatforms":  {&copayv1.ListPlatformsResponse{Platforms: []*copayv1.Platform{{Name: "drchrono"}, {Name: "stripe"}}}},
		"TestConnection": {&copayv1.TestConnectionResponse{Ok: true, Message: "practice 12"}, &copayv1.TestConnectionResponse{Message: "the key is refused", Failure: "unauthorized"}}}}
	text, err := e.run(t, "platforms", "test")
	require.ErrorContains(t, err, "cannot be used: stripe")
	require.Contains(t, text, "practice 12")
	require.Contains(t, text, "the key is refused")
}

func TestAnOpenOutcomeSaysHowToRepeatSafely(t *testing.T) {
	t.Parallel()
	for code, open := range map[codes.Code]bool{codes.Unavailable: true, codes.DeadlineExceeded: true, codes.Unknown: true, codes.Internal: true,
		codes.FailedPrecondition: false, codes.PermissionDenied: false} {
		e := &echo{fail: status.Error(code, "no")}
		_, err := e.run(t, "waive", someCoPay, "--reason", "r", "--request-id", "mine-1")
		require.Equal(t, open, strings.Contains(err.Error(), "--request-id mine-1"), code)
		require.Equal(t, exitCode(refusal{status.New(code, "no")}), exitCode(err), "scripts see the same")
	}
	e := &echo{fail: status.Error(codes.Unavailable, "no")}
	_, err := e.run(t, "inbox", "dismiss", "7", "--reason", "r")
	require.Regexp(t, `--request-id [0-9a-f-]{36}`, err.Error(), "also one that was made up")
}

func TestCredentialsDoNotTravelInClear(t *testing.T) {
	t.Parallel()
	try := func(args ...string) error {
		cmd := root()
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetArgs(append([]string{"--practice", "maple", "--token", "tok", "--timeout", "50ms", "list"}, args...))
		return cmd.ExecuteContext(t.Context())
	}
	for _, address := range []string{"copay.example.com:9090", "192.0.2.7:9090", "copay.example.com"} {
		err := try("--address", address)
		require.ErrorContains(t, err, "in clear", address)
		require.Equal(t, exitUsage, exitCode(err))
	}
	for _, address := range []string{"127.0.0.1:1", "[::1]:1", "localhost:1"} {
		require.NotContains(t, try("--address", address).Error(), "in clear", address)
	}
	require.NotContains(t, try("--address", "192.0.2.7:9090", "--insecure").Error(), "in clear")
	junk := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(junk, []byte("x"), 0o600))
	require.ErrorContains(t, try("--address", "copay.example.com:9090", "--ca", junk), "holds no certificate")
	require.ErrorContains(t, try("--address", "copay.example.com:9090", "--cert", junk, "--key", junk), "--cert and --key")
	require.Equal(t, exitUsage, exitCode(try("--cert", junk)))
}

func TestAnAnswerIsNotWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stop := make(chan struct{})
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { <-stop; return nil }))
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { close(stop); srv.Stop() })
	cmd := root()
	cmd.SetOut(&bytes.Buffer{})
	cmd.SetArgs([]string{"--address", l.Addr().String(), "--practice", "maple", "--token", "tok", "--timeout", "20ms", "list"})
	began := time.Now()
	err = cmd.ExecuteContext(t.Context())
	require.Equal(t, exitUnavailable, exitCode(err))
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestCardConsentIsForAVisitOrUntilADay(t *testing.T) {
	t.Parallel()
	e := &echo{}
	base := []string{"consent", "card", "pat-1", "--cap", "50", "--text-version", "v1", "--reason", "signed"}
	_, err := e.run(t, base...)
	require.Equal(t, exitUsage, exitCode(err))
	_, err = e.run(t, append(base, "--until", "soon")...)
	require.Equal(t, exitUsage, exitCode(err))
	_, err = e.run(t, append(base, "--until", "2027-06-30")...)
	require.NoError(t, err)
	var in copayv1.RecordCardConsentRequest
	raw, err := proto.Marshal(e.in["RecordCardConsent"])
	require.NoError(t, err)
	require.NoError(t, proto.Unmarshal(raw, &in))
	require.Equal(t, copayv1.ConsentScope_CONSENT_SCOPE_UNTIL, in.GetScope())
	require.Equal(t, "2027-07-01", in.GetUntil().AsTime().Local().Format(time.DateOnly), "to the end of the day")
	require.EqualValues(t, 50_00, in.GetCap().GetMinor())
}

func TestALongHistoryIsPrinted(t *testing.T) {
	e := &echo{answers: map[string][]proto.Message{"GetHistory": {&copayv1.GetHistoryResponse{Json: bytes.Repeat([]byte("x"), 6<<20)}}}}
	text, err := e.run(t, "audit", "history", someCoPay, "0c1d2e3f-0000-4000-8000-000000000001")
	require.NoError(t, err)
	require.Len(t, text, 6<<20+len("\n"))
}

// Of an id that was mistyped nothing is read as another one.
func TestEventsAreNamedExactly(t *testing.T) {
	for _, id := range []string{"12x", "12 13", "010x", "0x10", "1_2", "1e3", "12.5", "-1", "0", "99999999999999999999"} {
		for _, act := range []string{"replay", "dismiss"} {
			e := &echo{}
			_, err := e.run(t, "inbox", act, "--reason", "x", "--", id)
			require.Equal(t, exitUsage, exitCode(err), "%s %q: %v", act, id, err)
			require.Empty(t, e.called)
		}
	}
	e := &echo{}
	_, err := e.run(t, "inbox", "dismiss", "010", "--reason", "x")
	require.NoError(t, err)
	raw, err := proto.Marshal(e.in["DismissEvent"])
	require.NoError(t, err)
	in := &copayv1.DismissEventRequest{}
	require.NoError(t, proto.Unmarshal(raw, in))
	require.EqualValues(t, 10, in.GetInboxId(), "ids are decimal")
}
