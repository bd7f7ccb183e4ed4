package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Exit codes, for scripts; README.md names them.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3 // also a charge that the EHR does not know
	exitRefused     = 4
	exitPermission  = 5
	exitUnavailable = 6
)

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// root is the command tree.
func root() *cobra.Command {
	c := &connection{}
	cmd := &cobra.Command{
		Use: "copay", Short: "Collect patient co-pays and never lose one", Version: version(),
		SilenceUsage: true, SilenceErrors: true, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2, RunE: astray, PersistentPreRunE: wellFormed,
	}
	f := cmd.PersistentFlags()
	f.StringVar(&c.address, "address", envOr("COPAY_ADDRESS", "127.0.0.1:9090"), "the API's gRPC address")
	f.StringVar(&c.practice, "practice", envOr("COPAY_PRACTICE", ""), "practice id")
	f.StringVar(&c.token, "token", "", "bearer token of a person (or COPAY_TOKEN)")
	f.StringVar(&c.apiKey, "api-key", "", "key of a machine, id.secret (or COPAY_API_KEY)")
	f.BoolVar(&c.tls, "tls", false, "use TLS")
	f.StringVar(&c.ca, "ca", "", "file of the authority that vouches for the API, when it is not a public one")
	f.StringVar(&c.cert, "cert", "", "file of this client's certificate, where the API asks for one")
	f.StringVar(&c.key, "key", "", "file of the certificate's key")
	f.BoolVar(&c.insecure, "insecure", false, "let credentials travel in clear to another machine")
	f.DurationVar(&c.timeout, "timeout", 30*time.Second, "how long to wait for an answer; 0: without end")
	f.BoolVar(&c.json, "json", false, "print JSON for machines")
	cmd.MarkFlagsRequiredTogether("cert", "key")
	cmd.SetFlagErrorFunc(misread)
	for _, g := range []struct {
		title string
		subs  []*cobra.Command
	}{{"Co-pays:", readCommands(c)}, {"What staff do about one:", actCommands(c)}, {"Patients' consents, platforms and their events:", append(consentCommands(c), adminCommands(c)...)},
		{"Books and proof:", bookCommands(c)}, {"Running it:", append(serverCommands(), completionCommand())}} {
		cmd.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, sub := range g.subs {
			sub.GroupID = g.title
			cmd.AddCommand(sub)
		}
	}
	offerCoPays(c, cmd)
	correctHelp(cmd)
	return cmd
}

// version is the build that runs here: its tag, or the commit it was made from.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok || b.Main.Version == "" {
		return "unknown"
	}
	return b.Main.Version
}

// exitCode maps an error to what a script sees.
func exitCode(err error) int {
	var u usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	var coded interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &coded) {
		if strings.HasPrefix(err.Error(), "unknown command") || strings.Contains(err.Error(), "flags in the group") || strings.Contains(err.Error(), "arg(s)") || strings.HasPrefix(err.Error(), "required flag") {
			return exitUsage
		}
		return exitFailure
	}
	switch coded.GRPCStatus().Code() {
	case codes.NotFound:
		return exitNotFound
	case codes.InvalidArgument, codes.FailedPrecondition, codes.Aborted, codes.AlreadyExists, codes.OutOfRange:
		return exitRefused
	case codes.PermissionDenied, codes.Unauthenticated:
		return exitPermission
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return exitUnavailable
	}
	return exitFailure
}

// refusal is an answer of the API in one sentence, with the fields at fault.
type refusal struct{ st *status.Status }

func (r refusal) GRPCStatus() *status.Status { return r.st }

func (r refusal) Error() string {
	text := r.st.Message()
	if r.st.Code() == codes.Unavailable && strings.Contains(text, "connection") {
		text = "the API cannot be reached; is it running, and is --address right?"
	}
	if r.st.Code() == codes.Unauthenticated && strings.HasPrefix(text, "sign in: send") { // headers are for programs
		text = "you are not signed in; give a token with --token or COPAY_TOKEN, or a machine's key with --api-key or COPAY_API_KEY"
	}
	for _, d := range r.st.Details() {
		if b, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range b.GetFieldViolations() {
				if !strings.Contains(text, v.GetDescription()) { // the sentence mostly says it
					text += fmt.Sprintf("\n  %s: %s", v.GetField(), v.GetDescription())
				}
			}
		}
	}
	return plain(text)
}

// say turns a gRPC error into a sentence.
func say(err error) error {
	if err == nil {
		return nil
	}
	if st, ok := status.FromError(err); ok {
		return refusal{st}
	}
	return err
}
