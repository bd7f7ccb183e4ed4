package api

import (
	"context"
	"encoding/hex"
	"slices"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/ledger"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

type ledgerService struct {
	copayv1.UnimplementedLedgerServiceServer
	*service
}

// ListEntries lists booked entries.
func (s ledgerService) ListEntries(ctx context.Context, req *copayv1.ListEntriesRequest) (*copayv1.ListEntriesResponse, error) {
	f := ledger.EntryFilter{CoPay: copay.ID(req.GetCopayId()), Account: ledger.Account(req.GetAccount()), From: timeIn(req.GetFrom()), To: timeIn(req.GetTo())}
	if f.Account != "" && !slices.Contains(ledger.Accounts(), f.Account) {
		return nil, copay.Errorf(copay.CodeInvalid, "account", "there is no account %q; the accounts are %s", f.Account, listed(ledger.Accounts()))
	}
	rows, next, err := s.store.Entries(ctx, copay.PracticeID(req.GetPracticeId()), f, ledger.PageToken(req.GetPageToken()), int(req.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &copayv1.ListEntriesResponse{NextPageToken: string(next)}
	for _, r := range rows {
		e := &copayv1.Entry{Id: r.ID, CopayId: string(r.CoPay), Step: r.Step, At: timeOut(r.At), Memo: r.Memo, Currency: string(r.Currency)}
		for _, l := range r.Lines {
			e.Lines = append(e.Lines, &copayv1.EntryLine{Account: string(l.Account), DebitMinor: l.Debit, CreditMinor: l.Credit})
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

// GetTrialBalance sums every account.
func (s ledgerService) GetTrialBalance(ctx context.Context, req *copayv1.GetTrialBalanceRequest) (*copayv1.GetTrialBalanceResponse, error) {
	list, err := s.store.TrialBalance(ctx, copay.PracticeID(req.GetPracticeId()))
	if err != nil {
		return nil, err
	}
	out := &copayv1.GetTrialBalanceResponse{Balanced: true}
	open := map[copay.Currency]int64{}
	for _, b := range list {
		out.Balances = append(out.Balances, &copayv1.AccountBalance{Account: string(b.Account), Currency: string(b.Currency),
			DebitMinor: b.Debit, CreditMinor: b.Credit, NetMinor: b.Net().Minor})
		open[b.Currency] += b.Net().Minor
	}
	for _, rest := range open {
		out.Balanced = out.Balanced && rest == 0
	}
	return out, nil
}

// visitsIn reads the days of service that a list is wanted of.
func visitsIn(req interface {
	GetServiceFrom() string
	GetServiceTo() string
}) (from, to copay.Date, err error) {
	if from, err = dateIn("service_from", req.GetServiceFrom()); err != nil {
		return "", "", err
	}
	if to, err = dateIn("service_to", req.GetServiceTo()); err != nil {
		return "", "", err
	}
	if from != "" && to != "" && from > to { // nothing could lie between
		return "", "", copay.Errorf(copay.CodeInvalid, "service_from", "service_from %s is after service_to %s", from, to)
	}
	return from, to, nil
}

// CompareEstimates compares estimates with what the payers said later.
func (s ledgerService) CompareEstimates(ctx context.Context, req *copayv1.CompareEstimatesRequest) (*copayv1.CompareEstimatesResponse, error) {
	from, to, err := visitsIn(req)
	if err != nil {
		return nil, err
	}
	list, err := s.store.CompareEstimates(ctx, copay.PracticeID(req.GetPracticeId()), from, to)
	if err != nil {
		return nil, err
	}
	out := &copayv1.CompareEstimatesResponse{}
	for _, c := range list {
		out.Comparisons = append(out.Comparisons, &copayv1.EstimateComparison{PayerId: c.PayerID, Payer: c.Payer, ServiceType: string(c.Service),
			Copays: c.CoPays, Exact: c.Exact, High: c.High, Low: c.Low, Currency: string(c.Adjudicated.Currency),
			EstimatedMinor: c.Estimated.Minor, AdjudicatedMinor: c.Adjudicated.Minor, OffByMinor: c.OffBy.Minor})
	}
	return out, nil
}

type auditService struct {
	copayv1.UnimplementedAuditServiceServer
	*service
}

// ListAuditRecords lists the links of the audit chain.
func (s auditService) ListAuditRecords(ctx context.Context, req *copayv1.ListAuditRecordsRequest) (*copayv1.ListAuditRecordsResponse, error) {
	f := ledger.AuditFilter{CoPay: copay.ID(req.GetCopayId()), ActorID: req.GetActorId(), Action: req.GetAction(), From: timeIn(req.GetFrom()), To: timeIn(req.GetTo())}
	rows, next, err := s.store.Audit(ctx, copay.PracticeID(req.GetPracticeId()), f, ledger.PageToken(req.GetPageToken()), int(req.GetPageSize()))
	if err != nil {
		return nil, err
	}
	out := &copayv1.ListAuditRecordsResponse{NextPageToken: string(next)}
	for _, r := range rows {
		out.Records = append(out.Records, &copayv1.AuditRecord{Seq: r.Seq, At: timeOut(r.At), Actor: actorOut(r.Actor), Action: r.Action, CopayId: string(r.CoPay),
			Reason: r.Reason, Detail: r.Detail, TraceId: r.TraceID, PrevHash: hex.EncodeToString(r.PrevHash), Hash: hex.EncodeToString(r.Hash)})
	}
	return out, nil
}

// VerifyAuditChain walks the whole chain. That of a practice which is not
// configured any more can be walked, but an empty one says nothing good of a
// practice there never was.
func (s auditService) VerifyAuditChain(ctx context.Context, req *copayv1.VerifyAuditChainRequest) (*copayv1.VerifyAuditChainResponse, error) {
	practice := copay.PracticeID(req.GetPracticeId())
	r, err := s.store.VerifyAudit(ctx, practice)
	if err == nil && r.Rows == 0 {
		_, err = s.flows.Practice(practice)
	}
	if err != nil {
		return nil, err
	}
	return &copayv1.VerifyAuditChainResponse{Rows: r.Rows, Ok: r.OK, FirstBad: r.FirstBad, Problem: r.Problem, Head: r.Head}, nil
}

// ListHistories lists the archived histories of a co-pay.
func (s auditService) ListHistories(ctx context.Context, req *copayv1.ListHistoriesRequest) (*copayv1.ListHistoriesResponse, error) {
	practice, id := copay.PracticeID(req.GetPracticeId()), copay.ID(req.GetCopayId())
	if _, err := s.store.CoPay(ctx, practice, id); err != nil {
		return nil, err
	}
	rows, err := s.store.Archived(ctx, practice, id)
	if err != nil {
		return nil, err
	}
	out := &copayv1.ListHistoriesResponse{}
	for _, r := range rows {
		out.Histories = append(out.Histories, historyOut(r))
	}
	return out, nil
}

// GetHistory reads one archived history.
func (s auditService) GetHistory(ctx context.Context, req *copayv1.GetHistoryRequest) (*copayv1.GetHistoryResponse, error) {
	r, err := s.store.ArchivedHistory(ctx, copay.PracticeID(req.GetPracticeId()), copay.ID(req.GetCopayId()), req.GetRunId())
	if err != nil {
		return nil, err
	}
	return &copayv1.GetHistoryResponse{History: historyOut(r), Json: r.History}, nil
}

func historyOut(r ledger.ArchiveRow) *copayv1.History {
	return &copayv1.History{RunId: r.RunID, ClosedAt: timeOut(r.ClosedAt), Sha256: hex.EncodeToString(r.SHA256), Size: r.Size}
}
