package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/copayflow/copayflow/copay"
	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func bookCommands(c *connection) []*cobra.Command {
	return []*cobra.Command{
		group("ledger", "The double-entry journal, and how good estimates were", entriesCommand(c), balanceCommand(c), estimatesCommand(c)),
		group("audit", "The hash-chained audit log", auditListCommand(c), auditVerifyCommand(c), historiesCommand(c), historyCommand(c)),
	}
}

func entriesCommand(c *connection) *cobra.Command {
	var id, account string
	var when period
	var p paging
	cmd := &cobra.Command{
		Use: "entries", Short: "Journal entries, the oldest first", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := when.bounds()
			if err != nil {
				return err
			}
			return pages(cmd, c, &p, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListEntriesResponse, error) {
				return copayv1.NewLedgerServiceClient(conn).ListEntries(ctx, &copayv1.ListEntriesRequest{PracticeId: c.practice, CopayId: id, Account: account,
					From: from, To: to, PageSize: p.size, PageToken: p.token})
			}, func(w io.Writer, r *copayv1.ListEntriesResponse) {
				table(w, "WHEN COPAY STEP ACCOUNT DEBIT CREDIT", func(line func(...string)) {
					for _, e := range r.GetEntries() {
						for _, l := range e.GetLines() {
							line(at(e.GetAt()), e.GetCopayId(), e.GetStep(), l.GetAccount(), cents(l.GetDebitMinor()), cents(l.GetCreditMinor()))
						}
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&id, "copay", "", "only this co-pay")
	cmd.Flags().StringVar(&account, "account", "", "only entries that touch this account, such as cash_on_hand")
	when.flags(cmd)
	p.flags(cmd)
	return cmd
}

// cents writes an amount, and nothing for none.
func cents(minor int64) string {
	if minor == 0 {
		return ""
	}
	return copay.Cents(minor).String()
}

func balanceCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "balance", Short: "Trial balance; fails when it does not balance", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			balanced := true
			err := call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetTrialBalanceResponse, error) {
				r, err := copayv1.NewLedgerServiceClient(conn).GetTrialBalance(ctx, &copayv1.GetTrialBalanceRequest{PracticeId: c.practice})
				balanced = r.GetBalanced()
				return r, err
			}, func(w io.Writer, r *copayv1.GetTrialBalanceResponse) {
				table(w, "ACCOUNT DEBIT CREDIT NET", func(line func(...string)) {
					for _, b := range r.GetBalances() {
						line(b.GetAccount(), cents(b.GetDebitMinor()), cents(b.GetCreditMinor()), copay.Cents(b.GetNetMinor()).String())
					}
				})
				fmt.Fprintf(w, "balanced: %t\n", r.GetBalanced())
			})
			if err == nil && !balanced {
				err = fmt.Errorf("the journal does not balance; do not post anything by hand and call your administrator")
			}
			return err
		},
	}
}

func estimatesCommand(c *connection) *cobra.Command {
	var visits period
	cmd := &cobra.Command{
		Use: "estimates", Short: "Estimates beside what the payers said later, by payer and service", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := visits.bounds(); err != nil {
				return err
			}
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.CompareEstimatesResponse, error) {
				return copayv1.NewLedgerServiceClient(conn).CompareEstimates(ctx, &copayv1.CompareEstimatesRequest{PracticeId: c.practice, ServiceFrom: visits.from, ServiceTo: visits.to})
			}, func(w io.Writer, r *copayv1.CompareEstimatesResponse) {
				table(w, "PAYER SERVICE COPAYS EXACT ESTIMATED REMITTED OFF_BY HIGH LOW", func(line func(...string)) {
					for _, e := range r.GetComparisons() {
						sum := func(minor int64) string {
							return copay.Money{Minor: minor, Currency: copay.Currency(e.GetCurrency())}.String()
						}
						line(cmp.Or(e.GetPayer(), "-"), cmp.Or(e.GetServiceType(), "-"), fmt.Sprint(e.GetCopays()), fmt.Sprint(e.GetExact()),
							sum(e.GetEstimatedMinor()), sum(e.GetAdjudicatedMinor()), sum(e.GetOffByMinor()), fmt.Sprint(e.GetHigh()), fmt.Sprint(e.GetLow()))
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&visits.from, "from", "", "visits from this day on, 2026-11-24")
	cmd.Flags().StringVar(&visits.to, "to", "", "visits up to this day")
	return cmd
}

func auditListCommand(c *connection) *cobra.Command {
	var id, actor, action string
	var when period
	var p paging
	cmd := &cobra.Command{
		Use: "list", Short: "Audit records, the latest first", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := when.bounds()
			if err != nil {
				return err
			}
			return pages(cmd, c, &p, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.ListAuditRecordsResponse, error) {
				return copayv1.NewAuditServiceClient(conn).ListAuditRecords(ctx, &copayv1.ListAuditRecordsRequest{PracticeId: c.practice, CopayId: id, ActorId: actor,
					Action: action, From: from, To: to, PageSize: p.size, PageToken: p.token})
			}, func(w io.Writer, r *copayv1.ListAuditRecordsResponse) {
				table(w, "SEQ WHEN WHO ACTION COPAY REASON", func(line func(...string)) {
					for _, a := range r.GetRecords() {
						line(fmt.Sprint(a.GetSeq()), at(a.GetAt()), a.GetActor().GetId(), a.GetAction(), a.GetCopayId(), a.GetReason())
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&id, "copay", "", "only this co-pay")
	cmd.Flags().StringVar(&actor, "actor", "", "only what this person, machine or platform did, such as platform:stripe")
	cmd.Flags().StringVar(&action, "action", "", "only this action, such as refund")
	when.flags(cmd)
	p.flags(cmd)
	return cmd
}

func auditVerifyCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Walk the practice's audit chain; fails when it is broken", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r *copayv1.VerifyAuditChainResponse
			err := call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.VerifyAuditChainResponse, error) {
				var err error
				r, err = copayv1.NewAuditServiceClient(conn).VerifyAuditChain(ctx, &copayv1.VerifyAuditChainRequest{PracticeId: c.practice})
				return r, err
			}, func(w io.Writer, r *copayv1.VerifyAuditChainResponse) {
				fmt.Fprintf(w, "%d records, chain intact: %t\nhead %s\n", r.GetRows(), r.GetOk(), r.GetHead())
			})
			if err == nil && !r.GetOk() {
				err = fmt.Errorf("the audit chain is broken at record %d: %s", r.GetFirstBad(), r.GetProblem())
			}
			return err
		},
	}
}
