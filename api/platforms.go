package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

type platformService struct {
	copayv1.UnimplementedPlatformServiceServer
	*service
}

// ListPlatforms lists a practice's platforms as they were set up.
func (s platformService) ListPlatforms(_ context.Context, req *copayv1.ListPlatformsRequest) (*copayv1.ListPlatformsResponse, error) {
	out := &copayv1.ListPlatformsResponse{}
	for _, st := range s.directory.Statuses(copay.PracticeID(req.GetPracticeId())) {
		p := &copayv1.Platform{Name: string(st.Platform), Ports: st.Ports, Capabilities: st.Can, Ok: st.Err == nil}
		if st.Err != nil {
			p.Problem = problem(st.Err)
		}
		if slices.Contains(st.Can, "webhooks") {
			p.WebhookPath = "/webhooks/" + string(st.Platform) + "/" + req.GetPracticeId()
		}
		out.Platforms = append(out.Platforms, p)
	}
	return out, nil
}

// problem is a set-up error for people. Settings name fields, never values.
func problem(err error) string {
	if e := integrations.AsError(err); e != nil {
		return e.Error()
	}
	return err.Error()
}

// testWait bounds a connection test.
const testWait = 15 * time.Second

// TestConnection makes one harmless call. A failure is an answer, not an error.
func (s platformService) TestConnection(ctx context.Context, req *copayv1.TestConnectionRequest) (*copayv1.TestConnectionResponse, error) {
	practice, platform := copay.PracticeID(req.GetPracticeId()), copay.Platform(req.GetPlatform())
	t, err := integrations.As[integrations.Tester](s.directory, practice, platform)
	var broken *integrations.Error
	if errors.As(err, &broken) {
		return &copayv1.TestConnectionResponse{Message: problem(broken), Failure: string(broken.Kind)}, nil
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, testWait)
	defer cancel()
	said, err := t.TestConnection(ctx)
	if err == nil {
		return &copayv1.TestConnectionResponse{Ok: true, Message: said}, nil
	}
	out := &copayv1.TestConnectionResponse{Failure: string(integrations.KindOf(err)), Message: "the platform gave no usable answer; see the log"}
	if e := integrations.AsError(err); e != nil {
		out.Message = e.Error()
	} else {
		s.log.WarnContext(ctx, "connection test failed", "platform", platform, "practice_id", practice, "error", err)
	}
	return out, nil
}

type inboxService struct {
	copayv1.UnimplementedInboxServiceServer
	*service
}

// ListDeadLetters lists events that wait for staff.
func (s inboxService) ListDeadLetters(ctx context.Context, req *copayv1.ListDeadLettersRequest) (*copayv1.ListDeadLettersResponse, error) {
	rows, next, err := s.inbox.DeadLetters(ctx, copay.PracticeID(req.GetPracticeId()), ledger.PageToken(req.GetPageToken()), int(req.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &copayv1.ListDeadLettersResponse{NextPageToken: string(next)}
	for _, r := range rows {
		out.DeadLetters = append(out.DeadLetters, &copayv1.DeadLetter{InboxId: r.Row, Platform: string(r.Platform), EventId: r.ID, Kind: string(r.Kind),
			Type: r.Type, Attempts: int32(r.Attempts), LastError: r.LastError, ReceivedAt: timeOut(r.ReceivedAt)})
	}
	return out, nil
}

// ReplayEvent tries a dead letter again.
func (s inboxService) ReplayEvent(ctx context.Context, req *copayv1.ReplayEventRequest) (*copayv1.ReplayEventResponse, error) {
	practice := copay.PracticeID(req.GetPracticeId())
	return once(ctx, s.service, practice, req.GetRequestId(), req, &copayv1.ReplayEventResponse{}, func() error {
		return s.inbox.Replay(ctx, practice, req.GetInboxId(), caller(ctx), req.GetReason())
	})
}

// DismissEvent closes a dead letter.
func (s inboxService) DismissEvent(ctx context.Context, req *copayv1.DismissEventRequest) (*copayv1.DismissEventResponse, error) {
	practice := copay.PracticeID(req.GetPracticeId())
	return once(ctx, s.service, practice, req.GetRequestId(), req, &copayv1.DismissEventResponse{}, func() error {
		return s.inbox.Ignore(ctx, practice, req.GetInboxId(), caller(ctx), req.GetReason())
	})
}

// GetInboxStats says what waits.
func (s inboxService) GetInboxStats(ctx context.Context, req *copayv1.GetInboxStatsRequest) (*copayv1.GetInboxStatsResponse, error) {
	list, err := s.inbox.Lag(ctx)
	if err != nil {
		return nil, err
	}
	out := &copayv1.GetInboxStatsResponse{}
	for _, l := range list {
		if string(l.Practice) == req.GetPracticeId() {
			out.Stats = append(out.Stats, &copayv1.InboxStats{Platform: string(l.Platform), Pending: l.Pending, Dead: l.Dead, Oldest: timeOut(l.Oldest)})
		}
	}
	return out, nil
}
