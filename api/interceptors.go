package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"buf.build/go/protovalidate"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
)

// requestIDHeader carries the id that ties a caller's report to our logs. It
// has nothing to do with the request_id of a write.
const requestIDHeader = "x-request-id"

var goodRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// chain is what every call passes, outermost first: id, log, translation of
// errors and panics, caller, access, validation. Services that are not ours
// (health, reflection) pass only the first three.
type chain struct {
	auth     *auth.Authenticator
	access   access
	validate protovalidate.Validator
	log      *slog.Logger
	now      func() time.Time
}

// call is what is known of one call.
type call struct {
	id, method string
	actor      string
	practice   string
}

// begin gives the call its id, taken over from a caller that sent a good one.
func begin(ctx context.Context, method string) *call {
	c := &call{method: method}
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if ids := md.Get(requestIDHeader); len(ids) > 0 && goodRequestID.MatchString(ids[0]) {
			c.id = ids[0]
		}
	}
	if c.id == "" {
		c.id = uuid.NewString()
	}
	return c
}

// end logs the call and translates its error. Bodies are never logged.
func (h chain) end(ctx context.Context, c *call, start time.Time, err error) error {
	level, code, attrs := slog.LevelInfo, codes.OK, []any{}
	if err != nil {
		s, masked := h.translate(c, err)
		code = s.Code()
		level = slog.LevelWarn
		if masked {
			level = slog.LevelError
			attrs = append(attrs, "error", err)
		}
		err = s.Err()
	}
	attrs = append(attrs, "method", c.method, "code", code.String(), "request_id", c.id, "actor", c.actor, "practice_id", c.practice,
		"seconds", h.now().Sub(start).Seconds())
	h.log.Log(ctx, level, "call", attrs...)
	return err
}

// translate leaves the answers of services that are not ours as they are.
func (h chain) translate(c *call, err error) (*status.Status, bool) {
	if _, ours := h.access[c.method]; !ours {
		if s, ok := status.FromError(err); ok {
			return s, false
		}
	}
	return toStatus(err, c.id)
}

// rescue turns a panic into an error.
func rescue(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// guard rescues what panics while a call is ended, when nothing stands between
// it and the process any more.
func (h chain) guard(ctx context.Context, c *call, err *error) {
	p := recover()
	if p == nil {
		return
	}
	s, _ := toStatus(errors.New("a panic"), c.id)
	*err = s.Err()
	defer func() { _ = recover() }() // it may be the log that panics
	h.log.ErrorContext(ctx, "a call could not be ended", "method", c.method, "request_id", c.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// admit finds out who calls.
func (h chain) admit(ctx context.Context, c *call) (context.Context, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	header := ""
	if v := md.Get("authorization"); len(v) > 0 {
		header = v[0]
	}
	who, err := h.auth.Authenticate(ctx, header)
	if err != nil {
		return ctx, err
	}
	c.actor = who.Actor.ID
	return auth.With(ctx, who), nil
}

// check is everything that is asked of a request before its handler sees it.
func (h chain) check(ctx context.Context, c *call, req any) error {
	if r, ok := req.(ofPractice); ok {
		c.practice = r.GetPracticeId()
	}
	if err := h.access.may(ctx, c.method, req); err != nil {
		c.practice = "" // unchecked text stays out of the log
		return err
	}
	m, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	if err := storable(m.ProtoReflect()); err != nil {
		return err
	}
	return h.validate.Validate(m)
}

// storable refuses what no rule of the contract names and no database takes:
// moments beyond the years 1 to 9999, which would be counted over into others,
// and NUL in texts, which would be dropped, so that a reason of it is none.
func storable(m protoreflect.Message) (err error) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList(), f.IsMap():
		case f.Kind() == protoreflect.StringKind && strings.Contains(v.String(), "\x00"):
			err = copay.Errorf(copay.CodeInvalid, string(f.Name()), "there is a NUL character in it")
		case f.Message() != nil:
			if t, ok := v.Message().Interface().(*timestamppb.Timestamp); ok && !t.IsValid() {
				err = copay.Errorf(copay.CodeInvalid, string(f.Name()), "there is no such moment")
			}
		}
		return err == nil
	})
	return err
}

func (h chain) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	start := h.now()
	c := begin(ctx, info.FullMethod)
	_ = grpc.SetHeader(ctx, metadata.Pairs(requestIDHeader, c.id)) // fails only when headers were sent
	defer h.guard(ctx, c, &err)
	defer func() { err = h.end(ctx, c, start, err) }()
	defer rescue(&err)
	if _, ours := h.access[info.FullMethod]; !ours {
		return handler(ctx, req)
	}
	if ctx, err = h.admit(ctx, c); err != nil {
		return nil, err
	}
	if err = h.check(ctx, c, req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (h chain) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	start := h.now()
	ctx := ss.Context()
	c := begin(ctx, info.FullMethod)
	_ = ss.SetHeader(metadata.Pairs(requestIDHeader, c.id)) // fails only when headers were sent
	defer h.guard(ctx, c, &err)
	defer func() { err = h.end(ctx, c, start, err) }()
	defer rescue(&err)
	if _, ours := h.access[info.FullMethod]; !ours {
		return handler(srv, ss)
	}
	if ctx, err = h.admit(ctx, c); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	err = handler(srv, &checkedStream{ServerStream: ss, ctx: ctx, check: func(m any) error { return h.check(ctx, c, m) }})
	if errors.Is(context.Cause(ctx), errExpired) {
		return errExpired
	}
	return err
}

var errExpired = &auth.Error{Message: "the token has expired meanwhile; sign in again to go on"}

// bounded ends a stream with the token that opened it.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if who, _ := auth.From(ctx); who.For > 0 {
		return context.WithTimeoutCause(ctx, who.For, errExpired)
	}
	return ctx, func() {}
}

// checkedStream checks each message that comes in.
type checkedStream struct {
	grpc.ServerStream
	ctx   context.Context
	check func(any) error
}

func (s *checkedStream) Context() context.Context { return s.ctx }

func (s *checkedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.check(m)
}
