package api

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/dispatch"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
	"github.com/copayflow/copayflow/workflows"
)

type copayService struct {
	copayv1.UnimplementedCoPayServiceServer
	*service
}

// progress says what is being done before the amount is known.
var progress = map[copay.State]string{
	copay.StateReceived:   "the charge is about to be read",
	copay.StateVerifying:  "charge and coverage are being checked with the EHR and the payer",
	copay.StateEstimating: "the amount is being worked out",
}

func ready(s copay.State) bool { return progress[s] == "" }

// StartCoPay opens a co-pay and waits a little for its amount.
func (s copayService) StartCoPay(ctx context.Context, req *copayv1.StartCoPayRequest) (*copayv1.StartCoPayResponse, error) {
	key := copay.Key{Practice: copay.PracticeID(req.GetPracticeId()), EHR: copay.Platform(req.GetEhr()), Charge: copay.ChargeID(req.GetChargeId())}
	if err := s.mayStart(key); err != nil {
		return nil, err
	}
	if err := s.sameStart(ctx, key, req.GetRequestId()); err != nil {
		return nil, err
	}
	row, err := s.store.CoPay(ctx, key.Practice, key.ID())
	if err == nil && ready(row.CoPay.State) {
		return started(rowOut(row), row.CoPay.State), nil
	}
	if err != nil && copay.CodeOf(err) != copay.CodeNotFound {
		return nil, err
	}
	wait := s.estimateWait
	if req.GetWaitMs() > 0 {
		wait = time.Duration(req.GetWaitMs()) * time.Millisecond
	}
	short, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var now copay.CoPay
	err = s.flows.Update(short, key, origin(ctx), workflows.UpdateAwaitEstimate, req.GetRequestId(), &now)
	if err == nil {
		return started(copayOut(now), now.State), nil
	}
	if ctx.Err() != nil || !late(err) {
		return nil, err
	}
	return s.underWay(ctx, key)
}

// sameStart refuses a request id that was used for another charge, or by somebody
// else. The start itself happens once by its charge, and is answered each time with
// how the co-pay stands then.
func (s copayService) sameStart(ctx context.Context, key copay.Key, requestID string) error {
	_, _, err := s.store.BeginAct(ctx, key.Practice, "", requestID, []byte("start\x00"+caller(ctx).ID+"\x00"+string(key.ID())))
	return err
}

// mayStart refuses charges of an EHR that the practice does not use.
func (s copayService) mayStart(key copay.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	p, err := s.flows.Practice(key.Practice)
	if err != nil {
		return err
	}
	for _, ehr := range p.EHRs {
		if ehr == key.EHR {
			return nil
		}
	}
	return copay.Errorf(copay.CodeInvalid, "ehr", "practice %s reads no charges from %q; it uses %s", key.Practice, key.EHR, listed(p.EHRs))
}

// listed names things as one says them.
func listed[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

// underWay answers with what is known while the payer takes its time. The
// co-pay goes on by itself; the caller watches it. Of one that has left no
// trace it is not known whether the start has arrived: it is made sure.
func (s copayService) underWay(ctx context.Context, key copay.Key) (*copayv1.StartCoPayResponse, error) {
	row, err := s.store.CoPay(ctx, key.Practice, key.ID())
	if copay.CodeOf(err) == copay.CodeNotFound {
		sure, cancel := context.WithTimeout(ctx, s.estimateWait)
		defer cancel()
		if err := s.flows.Start(sure, key, origin(ctx)); err != nil {
			return nil, err
		}
		c := copay.CoPay{ID: key.ID(), Key: key, State: copay.StateReceived}
		return started(copayOut(c), c.State), nil
	}
	if err != nil {
		return nil, err
	}
	return started(rowOut(row), row.CoPay.State), nil
}

func started(c *copayv1.CoPay, s copay.State) *copayv1.StartCoPayResponse {
	return &copayv1.StartCoPayResponse{Copay: c, Ready: ready(s), Progress: progress[s]}
}

// origin is how a caller's request starts a co-pay. People at the desk are
// served before machines.
func origin(ctx context.Context) dispatch.Origin {
	who := caller(ctx)
	o := dispatch.Origin{Trigger: "staff", Actor: who, Priority: dispatch.PriorityDesk}
	if who.Kind == "service" {
		o.Trigger, o.Priority = "service", dispatch.PriorityEvent
	}
	return o
}

// GetCoPay shows one co-pay.
func (s copayService) GetCoPay(ctx context.Context, req *copayv1.GetCoPayRequest) (*copayv1.GetCoPayResponse, error) {
	row, err := s.find(ctx, req)
	if err != nil {
		return nil, err
	}
	return &copayv1.GetCoPayResponse{Copay: rowOut(row)}, nil
}

type ofCoPay interface {
	ofPractice
	GetCopayId() string
}

// find reads the co-pay that a request names.
func (s *service) find(ctx context.Context, req ofCoPay) (ledger.CoPayRow, error) {
	row, err := s.store.CoPay(ctx, copay.PracticeID(req.GetPracticeId()), copay.ID(req.GetCopayId()))
	return row, named(req, err)
}

// named lets a not-found say which co-pay was meant.
func named(req ofCoPay, err error) error {
	if copay.CodeOf(err) == copay.CodeNotFound {
		return copay.Errorf(copay.CodeNotFound, "copay_id", "practice %s has no co-pay %s", req.GetPracticeId(), req.GetCopayId())
	}
	return err
}

// ListCoPays lists a practice's co-pays.
func (s copayService) ListCoPays(ctx context.Context, req *copayv1.ListCoPaysRequest) (*copayv1.ListCoPaysResponse, error) {
	f := ledger.Filter{Rail: railIn(req.GetRail()), EHR: copay.Platform(req.GetEhr()), Appointment: copay.AppointmentID(req.GetAppointmentId()),
		Patient: copay.PatientRef(req.GetPatientRef()), NeedsReview: req.NeedsReview, Review: reviewIn(req.GetReview()), UpdatedSince: timeIn(req.GetUpdatedSince())}
	for _, st := range req.GetStates() {
		f.States = append(f.States, stateIn(st))
	}
	var err error
	if f.ServiceFrom, f.ServiceTo, err = visitsIn(req); err != nil {
		return nil, err
	}
	rows, next, err := s.store.ListCoPays(ctx, copay.PracticeID(req.GetPracticeId()), f, ledger.PageToken(req.GetPageToken()), int(req.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &copayv1.ListCoPaysResponse{NextPageToken: string(next)}
	for _, r := range rows {
		out.Copays = append(out.Copays, rowOut(r))
	}
	return out, nil
}

// WatchCoPay sends a co-pay after each change.
func (s copayService) WatchCoPay(req *copayv1.WatchCoPayRequest, stream grpc.ServerStreamingServer[copayv1.WatchCoPayResponse]) error {
	changes, err := s.store.Watch(stream.Context(), copay.PracticeID(req.GetPracticeId()), copay.ID(req.GetCopayId()))
	if err != nil {
		return named(req, err)
	}
	for {
		select {
		case row, open := <-changes:
			if !open {
				return stopped(stream.Context())
			}
			if err := stream.Send(&copayv1.WatchCoPayResponse{Copay: rowOut(row)}); err != nil {
				return err
			}
		case <-s.closing:
			return stopped(stream.Context())
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return copay.Errorf(copay.CodeUnavailable, "", "this server is stopping; watch again to go on at another")
}

// GetTimeline tells a co-pay's story.
func (s copayService) GetTimeline(ctx context.Context, req *copayv1.GetTimelineRequest) (*copayv1.GetTimelineResponse, error) {
	rows, err := s.store.Timeline(ctx, copay.PracticeID(req.GetPracticeId()), copay.ID(req.GetCopayId()))
	if err != nil {
		return nil, named(req, err)
	}
	out := &copayv1.GetTimelineResponse{}
	for _, r := range rows {
		out.Events = append(out.Events, &copayv1.TimelineEvent{Seq: r.Seq, At: timeOut(r.At), Kind: r.Kind, Actor: actorOut(r.Actor), Summary: r.Summary,
			Reason: r.Reason, Note: r.Sensitive, Before: stateOut(r.Before), After: stateOut(r.After), RequestId: r.Key})
	}
	return out, nil
}
