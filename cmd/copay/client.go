package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

// connection is how the API is reached and how answers are printed.
type connection struct {
	address, practice, token, apiKey string
	ca, cert, key                    string
	tls, insecure, json              bool
	timeout                          time.Duration
	sent                             atomic.Bool // something of a call has gone out
}

// TagRPC, HandleRPC, TagConn and HandleConn implement stats.Handler: the
// transport tells no other way what it has sent.
func (c *connection) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (c *connection) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, out := s.(*stats.OutPayload); out {
		c.sent.Store(true)
	}
}

func (c *connection) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (c *connection) HandleConn(context.Context, stats.ConnStats) {}

// maxAnswer bounds an answer: a workflow's history may have tens of megabytes.
const maxAnswer = 256 << 20

// dial connects and puts the caller's credentials on every call.
func (c *connection) dial(ctx context.Context) (context.Context, *grpc.ClientConn, error) {
	if c.practice == "" {
		return ctx, nil, usagef("name the practice with --practice or COPAY_PRACTICE")
	}
	if c.timeout < 0 {
		return ctx, nil, usagef("--timeout takes how long to wait, such as 30s, or 0 for without end")
	}
	if err := c.credentials(); err != nil {
		return ctx, nil, err
	}
	creds, err := c.transport()
	if err != nil {
		return ctx, nil, err
	}
	conn, err := grpc.NewClient(c.address, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)), grpc.WithStatsHandler(c))
	if err != nil {
		return ctx, nil, usagef("--address %s cannot be used: %v", c.address, err)
	}
	switch {
	case c.token != "":
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
	case c.apiKey != "":
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "ApiKey "+c.apiKey)
	}
	return ctx, conn, nil
}

// credentials takes token and key from the environment where no flag gives them,
// and refuses what no header can hold.
func (c *connection) credentials() error {
	from := []string{"--token", "--api-key"}
	// The environment is read here and not as the flags' default, which the
	// help would print.
	if c.token == "" && c.apiKey == "" {
		from = []string{"COPAY_TOKEN", "COPAY_API_KEY"}
		c.token, c.apiKey = os.Getenv(from[0]), os.Getenv(from[1])
	}
	for i, secret := range []string{c.token, c.apiKey} {
		if strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r > '~' }) {
			return usagef("%s holds a line break or another character that cannot be sent", from[i])
		}
	}
	return nil
}

// text refuses what is no text, wherever it stands on the command line.
func text(cmd *cobra.Command, args []string) (err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := "--" + f.Name
		if !f.Changed { // its default, which only the environment can spoil
			name = "COPAY_" + strings.ToUpper(f.Name)
		}
		if err == nil && !utf8.ValidString(f.Value.String()) {
			err = usagef("%s is not UTF-8", name)
		}
	})
	for _, a := range args {
		if err == nil && !utf8.ValidString(a) {
			err = usagef("the argument %q is not UTF-8", a)
		}
	}
	return err
}

// wellFormed refuses what shows to be mistyped without asking: what is no text,
// and what cannot be a co-pay's id.
func wellFormed(cmd *cobra.Command, args []string) error {
	if err := text(cmd, args); err != nil {
		return err
	}
	for i, name := range strings.Fields(cmd.Use)[1:] {
		if name == "COPAY" && i < len(args) {
			if err := copay.ID(args[i]).Validate(); err != nil {
				return usagef("%s: %q is none; %v", name, args[i], err)
			}
		}
	}
	if f := cmd.Flags().Lookup("copay"); f != nil && f.Value.String() != "" {
		if err := copay.ID(f.Value.String()).Validate(); err != nil {
			return usagef("--copay: %q is none; %v", f.Value, err)
		}
	}
	return nil
}

// limited bounds how long one answer is waited for.
func (c *connection) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}

// transport is how the connection is protected. Credentials never travel in
// clear to another machine by accident.
func (c *connection) transport() (credentials.TransportCredentials, error) {
	if !c.tls && c.ca == "" && c.cert == "" {
		if !c.insecure && !local(c.address) {
			return nil, usagef("your credentials would travel in clear to %s; use --tls, or --insecure where the connection is protected otherwise", c.address)
		}
		return insecure.NewCredentials(), nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, usagef("--ca: %v", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("--ca: %s holds no certificate", c.ca)
		}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, usagef("--cert and --key: %v", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(conf), nil
}

// local reports whether an address is this machine's.
func local(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// call dials, makes one call and prints its answer: as JSON, or by show.
func call[A proto.Message](cmd *cobra.Command, c *connection, do func(context.Context, *grpc.ClientConn) (A, error), show func(io.Writer, A)) error {
	ctx, conn, err := c.dial(cmd.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := c.limited(ctx)
	defer cancel()
	answer, err := do(ctx, conn)
	if err != nil {
		return say(c.late(ctx, err))
	}
	return c.print(cmd.OutOrStdout(), answer, func(w io.Writer) { show(w, answer) })
}

// late names an answer that did not come within --timeout; the transport's own
// words for it say nothing to a person. What the API itself said stays.
func (c *connection) late(ctx context.Context, err error) error {
	if st, ok := status.FromError(err); !ok || len(st.Details()) > 0 || !(errors.Is(ctx.Err(), context.DeadlineExceeded) || ended(ctx, st)) {
		return err
	}
	return status.Errorf(codes.DeadlineExceeded, "no answer came within %s; ask again, or wait longer with --timeout", c.timeout)
}

// ended reports whether the server was the first to see that the time was up:
// it resets the call a moment before our own clock says so.
func ended(ctx context.Context, st *status.Status) bool {
	due, ok := ctx.Deadline()
	reset := st.Code() == codes.Canceled || st.Code() == codes.DeadlineExceeded // by how late it is
	return ok && reset && !errors.Is(ctx.Err(), context.Canceled) && time.Until(due) < time.Second
}

func (c *connection) print(w io.Writer, m proto.Message, human func(io.Writer)) error {
	if !c.json {
		human(terminal{w})
		return nil
	}
	raw, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: false}.Marshal(m)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(raw))
	return err
}

// dollarsForm is how a person writes an amount: 25 or 25.00. What looks cut off,
// as "25." and ".5" do, was perhaps meant to be another one.
var dollarsForm = regexp.MustCompile(`^\$?[0-9]+(\.[0-9]{1,2})?$`)

// amount reads the dollars of a flag.
func amount(flag, text string) (*copayv1.Money, error) {
	m, err := copay.ParseMoney(strings.TrimPrefix(text, "$"), copay.USD)
	if err != nil || !dollarsForm.MatchString(text) {
		return nil, usagef("%s: %q is not an amount; write dollars and cents as in 25.00", flag, text)
	}
	return &copayv1.Money{Minor: m.Minor, Currency: string(m.Currency)}, nil
}

// enum finds the value of a flag or argument by its short name: "needs_review"
// is STATE_NEEDS_REVIEW.
func enum(what, prefix, name string, values map[string]int32) (int32, error) {
	if v, ok := values[prefix+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]; ok && v != 0 {
		return v, nil
	}
	return 0, usagef("%s: %q is not known; use one of %s", what, name, strings.Join(shorts(prefix, values), ", "))
}

func short(prefix, name string) string {
	s := strings.ToLower(strings.TrimPrefix(name, prefix))
	if s == "unspecified" {
		return ""
	}
	return s
}
