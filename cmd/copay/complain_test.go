package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// refusing is what the API answers when it refuses.
func refusing(t *testing.T) error {
	t.Helper()
	st, err := status.New(codes.FailedPrecondition, "only $25.00 is open").WithDetails(&errdetails.RequestInfo{RequestId: "req-1"}, &errdetails.ErrorInfo{Reason: "PRECONDITION"},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "amount", Description: "only $25.00 is open"}}})
	require.NoError(t, err)
	return st.Err()
}

func complained(args []string, err error) string {
	cmd := root()
	_ = cmd.ParseFlags(args)
	var b bytes.Buffer
	complain(&b, cmd, args, err)
	return b.String()
}

func TestErrorsAreSentencesOrJSON(t *testing.T) {
	t.Parallel()
	_, err := (&echo{fail: refusing(t)}).run(t, "get", someCoPay)
	require.Equal(t, "copay: only $25.00 is open\n", complained(nil, err), "once is enough for a person")
	require.JSONEq(t, `{"error":{"code":"FAILED_PRECONDITION","reason":"PRECONDITION","message":"only $25.00 is open","fields":[{"field":"amount","message":"only $25.00 is open"}],
		"api_request_id":"req-1","exit":4}}`, complained([]string{"--json"}, err))
	require.JSONEq(t, `{"error":{"code":"USAGE","message":"write: copay get COPAY","exit":2}}`, complained([]string{"--json"}, usagef("write: copay get COPAY")))
	require.JSONEq(t, `{"error":{"code":"FAILURE","message":"the journal does not balance","exit":1}}`, complained([]string{"--json"}, errors.New("the journal does not balance")))

	_, err = (&echo{fail: status.Error(codes.Unavailable, "no")}).run(t, "waive", someCoPay, "--reason", "r", "--request-id", "mine-1")
	text := complained([]string{"--json"}, err)
	require.Contains(t, text, `"code":"UNAVAILABLE"`)
	require.Contains(t, text, "--request-id mine-1", "a machine is told, too, how to repeat it safely")
	require.NoError(t, say(nil))
	own := errors.New("not of the API")
	require.Equal(t, own, say(own))
}

func TestMistakesOnTheCommandLineAreCorrected(t *testing.T) {
	t.Parallel()
	const why = " --reason r"
	for args, want := range map[string]string{
		"gett x":             "there is no 'copay gett'; did you mean get?",
		"xyzzy":              "there is no 'copay xyzzy'; 'copay --help' says what there is",
		"list all":           "write: copay list",
		"doctor now":         "write: copay doctor",
		"waive " + someCoPay: "give --reason",
		"pay " + someCoPay:   "give --amount and --reason",
		"api-key x":          "give --for",

		"list --changed-within abc":                                    "--changed-within takes a time such as 2h or 30s, not \"abc\"",
		"list --page-size abc":                                         "--page-size takes a whole number, not \"abc\"",
		"list --review=perhaps":                                        "--review takes true or false, not \"perhaps\"",
		"list --state a\"b":                                            "--state: \"a\\\"b\" cannot be read",
		"list --nonsense":                                              "there is no flag --nonsense; 'copay list --help' says what there is",
		"list -x":                                                      "there is no flag -x; 'copay list --help' says what there is",
		"list --rail":                                                  "--rail needs a value",
		"list --rail bitcoin":                                          "--rail: \"bitcoin\" is not known; use one of card_on_file, cash, check, link, terminal",
		"rail " + someCoPay + " gold" + why:                            "RAIL: \"gold\" is not known; use one of card_on_file, cash, check, link, terminal",
		"list --from 2026-11-30 --to 2026-11-01":                       "--from 2026-11-30 is after --to 2026-11-01",
		"ledger entries --from 2026-11-30 --to 2026-11-29":             "--from 2026-11-30 is after --to 2026-11-29",
		"override " + someCoPay + " --amount 25." + why:                "--amount: \"25.\" is not an amount; write dollars and cents as in 25.00",
		"override " + someCoPay + " --amount .5" + why:                 "--amount: \".5\" is not an amount; write dollars and cents as in 25.00",
		"pay " + someCoPay + " --amount 5 --received 2026-02-30" + why: "--received \"2026-02-30\" is not a day such as 2026-11-24",
		"review " + someCoPay + " --choice set_amount" + why:           "--choice set_amount needs --amount, in dollars such as 25.00",
		"review " + someCoPay + " --choice retry --amount 5" + why:     "--amount is for --choice set_amount only",
		"completion tcsh":                                              "there is nothing for the shell \"tcsh\"; use one of bash, fish, powershell, zsh",
		"completion":                                                   "write: copay completion bash|fish|powershell|zsh",
		"help bogus":                                                   "there is no 'copay bogus'; 'copay --help' says what there is",
		"help ledger bogus":                                            "there is no 'copay ledger bogus'; 'copay ledger --help' says what there is",
	} {
		_, err := (&echo{}).run(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, exitCode(err), args)
		require.Equal(t, "copay: "+want+"\n", complained(nil, err), args)
	}
	text, err := (&echo{}).run(t)
	require.NoError(t, err)
	require.Contains(t, text, "What staff do about one:")
	text, err = (&echo{}).run(t, "help", "ledger")
	require.NoError(t, err)
	require.Contains(t, text, "copay ledger")
	text, err = (&echo{}).run(t, "--version")
	require.NoError(t, err)
	require.Contains(t, text, "copay version")
}

// Whatever stands before --json, a script can read what went wrong.
func TestErrorsAreJSONWhereverTheFlagStands(t *testing.T) {
	t.Parallel()
	for args, machine := range map[string]bool{"list --bogus --json": true, "list --timeout x --json": true, "list --json --bogus": true, "list --bogus --json=true": true,
		"xyzzy --json": true, "list --bogus": false, "list --bogus --json=false": false, "list --bogus -- --json": false, "note " + someCoPay + " --reason r --text --json": false} {
		cmd := root()
		cmd.SetArgs(strings.Fields(args))
		err := cmd.ExecuteContext(t.Context())
		require.Equal(t, exitUsage, exitCode(err), args)
		var b bytes.Buffer
		complain(&b, cmd, strings.Fields(args), err)
		require.Equal(t, machine, strings.HasPrefix(b.String(), `{"error":{"code":"USAGE"`), "%s: %s", args, b.String())
	}
}

// What cannot be sent is a mistake on the command line, and was not done.
func TestWhatIsNoTextIsNeverSent(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--reason is not UTF-8":                                                 {"waive", someCoPay, "--reason", "a\xffb"},
		"the argument \"cp_\\xff\" is not UTF-8":                                {"get", "cp_\xff"},
		"--token holds a line break or another character that cannot be sent":   {"--token", "a\nb", "waive", someCoPay, "--reason", "r"},
		"--api-key holds a line break or another character that cannot be sent": {"--api-key", "caf\u00e9", "waive", someCoPay, "--reason", "r"},
	} {
		e := &echo{}
		_, err := e.run(t, args...)
		require.EqualError(t, err, want)
		require.Equal(t, exitUsage, exitCode(err))
		require.Empty(t, e.called)
	}
}

// An id that cannot be one is mistyped; one that only is not there is not found.
func TestAMistypedCoPayIsNotAskedFor(t *testing.T) {
	t.Parallel()
	const form = "; a co-pay id looks like cp_ followed by 16 letters and digits"
	for args, want := range map[string]string{
		"get 777": `COPAY: "777" is none` + form, "watch cp_0123456789ABCDEF": `COPAY: "cp_0123456789ABCDEF" is none` + form, "timeline " + someCoPay + "0": `COPAY: "` + someCoPay + `0" is none` + form,
		"waive cp_ --reason r": `COPAY: "cp_" is none` + form, "waive cp_": `COPAY: "cp_" is none` + form, "rail x cash --reason r": `COPAY: "x" is none` + form, "audit histories x": `COPAY: "x" is none` + form,
		"audit history x run": `COPAY: "x" is none` + form, "ledger entries --copay x": `--copay: "x" is none` + form, "audit list --copay x": `--copay: "x" is none` + form,
	} {
		e := &echo{}
		_, err := e.run(t, strings.Fields(args)...)
		require.EqualError(t, err, want, args)
		require.Equal(t, exitUsage, exitCode(err), args)
		require.Empty(t, e.called, args)
	}
	_, err := (&echo{fail: status.Error(codes.NotFound, "practice maple has no such co-pay")}).run(t, "get", someCoPay)
	require.Equal(t, exitNotFound, exitCode(err))
}

// Not parallel: it sets the environment.
func TestTheEnvironmentIsNamedWhenItIsNoText(t *testing.T) {
	try := func(args ...string) error {
		cmd := root()
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetArgs(append([]string{"waive", someCoPay, "--reason", "r"}, args...))
		return cmd.ExecuteContext(t.Context())
	}
	t.Setenv("COPAY_PRACTICE", "maple")
	t.Setenv("COPAY_TOKEN", "a\nb")
	err := try()
	require.EqualError(t, err, "COPAY_TOKEN holds a line break or another character that cannot be sent")
	require.Equal(t, exitUsage, exitCode(err))
	t.Setenv("COPAY_TOKEN", "a")
	err = try("--address", "127.0.0.1:1")
	require.Equal(t, exitUnavailable, exitCode(err))
	require.NotContains(t, err.Error(), "not known", "nothing was sent")
	t.Setenv("COPAY_PRACTICE", "\xff")
	require.EqualError(t, try(), "COPAY_PRACTICE is not UTF-8")
}

func TestWhoIsNotSignedInIsToldHow(t *testing.T) {
	t.Parallel()
	_, err := (&echo{fail: status.Error(codes.Unauthenticated, `sign in: send "Authorization: Bearer <token>"`)}).run(t, "list")
	require.Equal(t, exitPermission, exitCode(err))
	require.ErrorContains(t, err, "--token or COPAY_TOKEN")
	require.NotContains(t, err.Error(), "Authorization")
	_, err = (&echo{fail: status.Error(codes.Unauthenticated, "the token is not valid or has expired; sign in again")}).run(t, "list")
	require.ErrorContains(t, err, "has expired")
}

func TestWhoIsLateIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	stop := make(chan struct{})
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { <-stop; return nil }))
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { close(stop); srv.Stop() })
	try := func(ctx context.Context, args string) error {
		cmd := root()
		cmd.SetOut(&bytes.Buffer{})
		cmd.SetArgs(append([]string{"--address", l.Addr().String(), "--practice", "maple", "--token", "tok"}, strings.Fields(args)...))
		return cmd.ExecuteContext(ctx)
	}
	err = try(t.Context(), "--timeout 20ms get "+someCoPay)
	require.EqualError(t, err, "no answer came within 20ms; ask again, or wait longer with --timeout")
	require.Equal(t, exitUnavailable, exitCode(err))
	err = try(t.Context(), "--timeout 500ms waive "+someCoPay+" --reason r")
	require.ErrorContains(t, err, "It is not known whether it was done")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NotContains(t, try(ctx, "get "+someCoPay).Error(), "--timeout", "whoever gave up knows it")

	own := status.New(codes.DeadlineExceeded, "it was not confirmed in time")
	detailed, err := own.WithDetails(&errdetails.RequestInfo{RequestId: "r"})
	require.NoError(t, err)
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	require.Equal(t, detailed.Err(), (&connection{}).late(late, detailed.Err()), "what the API itself says stays")

	reset := status.Error(codes.Canceled, "stream terminated by RST_STREAM with error code: CANCEL")
	soon, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, (&connection{timeout: time.Minute}).late(soon, reset), "no answer came within 1m0s", "the server saw it first")
	early, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.Equal(t, reset, (&connection{}).late(early, reset), "somebody else ended it")
}

func TestTheShellOffersWhatFits(t *testing.T) {
	t.Parallel()
	e := answering("ListCoPays")
	offered := func(args ...string) []string {
		e.answers["ListCoPays"] = []proto.Message{&copayv1.ListCoPaysResponse{Copays: []*copayv1.CoPay{{Id: someCoPay, State: copayv1.State_STATE_PAID}}}}
		text, err := e.run(t, append([]string{"__complete"}, args...)...)
		require.NoError(t, err)
		text, _, _ = strings.Cut(text, "Completion ended")
		require.Contains(t, text, ":4", "no file is ever meant: %v", args)
		return strings.Fields(strings.TrimSuffix(strings.TrimSpace(text), ":4"))
	}
	require.Equal(t, []string{someCoPay, "paid"}, offered("get", ""), "with its state beside it")
	require.Equal(t, []string{someCoPay, "paid"}, offered("audit", "histories", ""))
	require.Empty(t, offered("get", someCoPay, ""))
	require.Empty(t, offered("start", ""), "charges only the EHR knows")
	require.Equal(t, []string{"card_on_file", "cash", "check", "link", "terminal"}, offered("rail", someCoPay, "--reason", "x", ""))
	require.Equal(t, []string{"cash", "check", "terminal"}, offered("pay", someCoPay, "--rail", ""))
	require.Contains(t, offered("list", "--state", ""), "needs_review")
	require.Contains(t, offered("list", "--review-kind", ""), "unpaid")
	require.Contains(t, offered("review", someCoPay, "--choice", ""), "set_amount")
	require.Equal(t, []string{"bash", "fish", "powershell", "zsh"}, offered("completion", ""))
	require.Equal(t, []string{"email", "sms"}, offered("consent", "message", "x", "--channel", ""))
	e.fail = status.Error(codes.Unavailable, "down")
	require.Empty(t, offered("get", ""))
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		text, err := e.run(t, "completion", shell)
		require.NoError(t, err)
		require.Contains(t, text, "copay")
	}
}

func TestAWatchEndsWithTheAPIsReason(t *testing.T) {
	t.Parallel()
	text, err := answering("WatchCoPay", &copayv1.WatchCoPayResponse{Copay: story()}).run(t, "watch", someCoPay)
	require.NoError(t, err, "the stream was ended in order")
	require.Contains(t, text, "needs_review")
	_, err = (&echo{fail: status.Error(codes.Unavailable, "this server is stopping; watch again to go on at another")}).run(t, "watch", someCoPay)
	require.ErrorContains(t, err, "watch again")
	require.Equal(t, exitUnavailable, exitCode(err))
	_, err = (&echo{}).run(t, "--practice", "", "watch", someCoPay)
	require.Equal(t, exitUsage, exitCode(err))
}
