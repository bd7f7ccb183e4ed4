package api

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/copayflow/copayflow/api/auth"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// Store is what the services need of the ledger.
type Store interface {
	CoPay(ctx context.Context, practice copay.PracticeID, id copay.ID) (ledger.CoPayRow, error)
	ListCoPays(ctx context.Context, practice copay.PracticeID, f ledger.Filter, from ledger.PageToken, size int) ([]ledger.CoPayRow, ledger.PageToken, error)
	Timeline(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ledger.TimelineRow, error)
	Watch(ctx context.Context, practice copay.PracticeID, id copay.ID) (<-chan ledger.CoPayRow, error)
	Entries(ctx context.Context, practice copay.PracticeID, f ledger.EntryFilter, from ledger.PageToken, size int) ([]ledger.EntryRow, ledger.PageToken, error)
	TrialBalance(ctx context.Context, practice copay.PracticeID) ([]ledger.Balance, error)
	CompareEstimates(ctx context.Context, practice copay.PracticeID, from, to copay.Date) ([]ledger.EstimateComparison, error)
	AppendAudit(ctx context.Context, e ledger.AuditEntry) error
	Audit(ctx context.Context, practice copay.PracticeID, f ledger.AuditFilter, from ledger.PageToken, size int) ([]ledger.AuditRow, ledger.PageToken, error)
	VerifyAudit(ctx context.Context, practice copay.PracticeID) (ledger.AuditReport, error)
	Archived(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ledger.ArchiveRow, error)
	ArchivedHistory(ctx context.Context, practice copay.PracticeID, id copay.ID, runID string) (ledger.ArchiveRow, error)
	PatientAlias(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey) (copay.PatientAlias, error)
	PutCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey, c ledger.CardOnFile) error
	RevokeCardConsent(ctx context.Context, practice copay.PracticeID, patient copay.PatientKey, at time.Time) (bool, error)
	RecordConsent(ctx context.Context, practice copay.PracticeID, c ledger.Consent) (effective bool, err error)
	Consents(ctx context.Context, practice copay.PracticeID, id copay.ID) ([]ledger.ChannelConsent, error)
	Revoke(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string, scope ledger.OptOut, source string, at time.Time) ([]copay.ID, error)
	CopaysByAddress(ctx context.Context, practice copay.PracticeID, channel copay.Channel, address string) ([]copay.ID, error)
	RevokePayLinks(ctx context.Context, practice copay.PracticeID, id copay.ID) (int, error)
	BeginAct(ctx context.Context, practice copay.PracticeID, id copay.ID, key string, input []byte) (result []byte, done bool, err error)
	FinishAct(ctx context.Context, practice copay.PracticeID, id copay.ID, key string, result []byte) error
}

// Inbox is where staff see what could not be delivered.
type Inbox interface {
	DeadLetters(ctx context.Context, practice copay.PracticeID, from ledger.PageToken, size int) ([]ledger.InboxRow, ledger.PageToken, error)
	Replay(ctx context.Context, practice copay.PracticeID, row int64, actor copay.Actor, reason string) error
	Ignore(ctx context.Context, practice copay.PracticeID, row int64, actor copay.Actor, reason string) error
	Lag(ctx context.Context) ([]ledger.InboxLag, error)
}

// Flows reaches co-pays' workflows; *dispatch.Starter does.
type Flows interface {
	Practice(id copay.PracticeID) (dispatch.Practice, error)
	Update(ctx context.Context, key copay.Key, o dispatch.Origin, name, requestID string, out any, args ...any) error
	Start(ctx context.Context, key copay.Key, o dispatch.Origin) error
	Recheck(ctx context.Context, key copay.Key) error
}

// service implements all services of the contract.
type service struct {
	store     Store
	inbox     Inbox
	flows     Flows
	directory *integrations.Directory
	log       *slog.Logger
	now       func() time.Time
	// closing ends streams when the server stops.
	closing <-chan struct{}
	// estimateWait and actWait bound how long a request thread is held.
	estimateWait, actWait time.Duration
}

// caller is who the interceptors verified.
func caller(ctx context.Context) copay.Actor {
	who, _ := auth.From(ctx)
	return who.Actor
}

// once does a write that no workflow guards at most once under its request
// id: a repeated request gets the first answer, with other content (or by
// somebody else) it is refused. The practice must be a configured one: what is
// kept for another would reach nobody.
func once[T proto.Message](ctx context.Context, s *service, practice copay.PracticeID, requestID string, req proto.Message, out T, do func() error) (T, error) {
	var none T
	if _, err := s.flows.Practice(practice); err != nil {
		return none, err
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return none, err
	}
	input := append([]byte(string(req.ProtoReflect().Descriptor().FullName())+"\x00"+caller(ctx).ID+"\x00"), content...)
	first, done, err := s.store.BeginAct(ctx, practice, "", requestID, input)
	if err != nil {
		return none, err
	}
	if done {
		return out, proto.Unmarshal(first, out)
	}
	if err := do(); err != nil {
		return none, err
	}
	result, err := proto.Marshal(out)
	if err != nil {
		return none, err
	}
	return out, s.store.FinishAct(ctx, practice, "", requestID, result)
}
