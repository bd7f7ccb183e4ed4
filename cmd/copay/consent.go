package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

func consentCommands(c *connection) []*cobra.Command {
	return []*cobra.Command{group("consent", "What patients agreed to",
		consentsCommand(c), cardConsentCommand(c), cardRevokeCommand(c), messageConsentCommand(c), messageRevokeCommand(c))}
}

func consentsCommand(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "show COPAY", Short: "On which channels the patient of a co-pay may be written to, and why not", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.GetMessageConsentsResponse, error) {
				return copayv1.NewConsentServiceClient(conn).GetMessageConsents(ctx, &copayv1.GetMessageConsentsRequest{PracticeId: c.practice, CopayId: args[0]})
			}, showConsents)
		},
	}
}

func showConsents(w io.Writer, r *copayv1.GetMessageConsentsResponse) {
	if len(r.GetConsents()) == 0 {
		fmt.Fprintln(w, "the patient was not read from the EHR yet")
		return
	}
	table(w, "CHANNEL\tMESSAGES\tWHY", func(line func(cells ...string)) {
		for _, m := range r.GetConsents() {
			may := "no"
			if m.GetAllowed() {
				may = "yes"
			}
			line(short("CHANNEL_", m.GetChannel().String()), may, whyConsent(m))
		}
	})
}

// whyConsent is the reason that counts: the first that keeps messages back, or
// the agreement they rest on.
func whyConsent(m *copayv1.MessageConsent) string {
	revoked, restored := m.GetRevokedAt().AsTime(), m.GetRestoredAt().AsTime()
	switch {
	case !m.GetHasAddress():
		return "the EHR has no address"
	case m.GetRefusedInEhr():
		return "the patient's record in the EHR says not to"
	case m.GetRevokedAt() != nil && (m.GetRestoredAt() == nil || !revoked.Before(restored)):
		return fmt.Sprintf("revoked %s by %s", at(m.GetRevokedAt()), m.GetRevokedBy())
	case m.GetGivenAt() == nil:
		return "no consent on record"
	case !m.GetAllowed():
		return fmt.Sprintf("the address was found not to work %s (%s)", at(m.GetBadAt()), m.GetBadCode())
	case m.GetTextVersion() == "":
		return fmt.Sprintf("agreed %s, %s", at(m.GetGivenAt()), m.GetSource())
	}
	return fmt.Sprintf("agreed %s, %s, wording %s", at(m.GetGivenAt()), m.GetSource(), m.GetTextVersion())
}

func cardConsentCommand(c *connection) *cobra.Command {
	in := &copayv1.RecordCardConsentRequest{}
	var limit, until string
	cmd := &cobra.Command{
		Use: "card PATIENT", Short: "A patient agrees that the stored card is charged: for one visit, or until a day", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.PracticeId, in.PatientRef, in.RequestId = c.practice, args[0], orNew(in.GetRequestId())
			if in.Cap, err = amount("--cap", limit); err != nil {
				return err
			}
			in.Scope = copayv1.ConsentScope_CONSENT_SCOPE_VISIT
			if until != "" {
				in.Scope = copayv1.ConsentScope_CONSENT_SCOPE_UNTIL
				if in.Until, err = dayStart("--until", until, 1); err != nil { // to the end of that day
					return err
				}
			}
			return c.unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.RecordCardConsentResponse, error) {
				return copayv1.NewConsentServiceClient(conn).RecordCardConsent(ctx, in)
			}, func(w io.Writer, r *copayv1.RecordCardConsentResponse) {
				fmt.Fprintf(w, "the %s ending in %s at %s may be charged, up to %s\n", r.GetBrand(), r.GetLast4(), r.GetPlatform(), money(in.GetCap()))
			}), in.GetRequestId())
		},
	}
	cmd.Flags().StringVar(&limit, "cap", "", "the most that may be charged, dollars")
	cmd.Flags().StringVar(&in.ChargeId, "charge", "", "for the visit of this charge only")
	cmd.Flags().StringVar(&until, "until", "", "for all visits up to this day, 2027-06-30")
	cmd.Flags().StringVar(&in.TextVersion, "text-version", "", "version of the wording the patient agreed to")
	cmd.Flags().StringVar(&in.Platform, "platform", "", "the processor that has the card; the practice's first when empty")
	cmd.Flags().StringVar(&in.Ehr, "ehr", "", "whose patient this is, where the practice has several EHRs")
	cmd.Flags().StringVar(&in.MethodId, "card-id", "", "which of several stored cards")
	because(cmd, &in.Reason, &in.RequestId)
	cmd.MarkFlagsOneRequired("charge", "until")
	cmd.MarkFlagsMutuallyExclusive("charge", "until")
	_, _ = cmd.MarkFlagRequired("cap"), cmd.MarkFlagRequired("text-version") // the flags were just defined
	return cmd
}

func cardRevokeCommand(c *connection) *cobra.Command {
	in := &copayv1.RevokeCardConsentRequest{}
	cmd := &cobra.Command{
		Use: "card-revoke PATIENT", Short: "The patient's stored card is not charged any more", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.PracticeId, in.PatientRef, in.RequestId = c.practice, args[0], orNew(in.GetRequestId())
			return c.unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.RevokeCardConsentResponse, error) {
				return copayv1.NewConsentServiceClient(conn).RevokeCardConsent(ctx, in)
			}, func(w io.Writer, r *copayv1.RevokeCardConsentResponse) {
				if !r.GetRevoked() {
					fmt.Fprintln(w, "there was no consent to revoke")
					return
				}
				fmt.Fprintf(w, "revoked; open co-pays that ask by link instead: %d\n", r.GetCopays())
			}), in.GetRequestId())
		},
	}
	cmd.Flags().StringVar(&in.Ehr, "ehr", "", "whose patient this is, where the practice has several EHRs")
	because(cmd, &in.Reason, &in.RequestId)
	return cmd
}

func messageConsentCommand(c *connection) *cobra.Command {
	in := &copayv1.RecordMessageConsentRequest{}
	var channel string
	cmd := &cobra.Command{
		Use: "message ADDRESS", Short: "A patient agrees to be written to at a number (+1…) or mail address", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := enum("--channel", "CHANNEL_", channel, copayv1.Channel_value)
			if err != nil {
				return err
			}
			in.PracticeId, in.Address, in.Channel, in.RequestId = c.practice, args[0], copayv1.Channel(v), orNew(in.GetRequestId())
			return c.unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.RecordMessageConsentResponse, error) {
				return copayv1.NewConsentServiceClient(conn).RecordMessageConsent(ctx, in)
			}, func(w io.Writer, r *copayv1.RecordMessageConsentResponse) {
				if r.GetEffective() {
					fmt.Fprintln(w, "recorded")
				} else {
					fmt.Fprintln(w, "recorded, but the patient has said STOP: only their own START lifts that")
				}
			}), in.GetRequestId())
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "sms", "sms or email")
	choose(cmd, "channel", "CHANNEL_", copayv1.Channel_value)
	cmd.Flags().StringVar(&in.TextVersion, "text-version", "", "version of the wording the patient agreed to")
	cmd.Flags().StringVar(&in.Source, "source", "desk", "intake_form, portal, desk or ehr")
	because(cmd, &in.Reason, &in.RequestId)
	_ = cmd.MarkFlagRequired("text-version") // the flag was just defined
	return cmd
}

func messageRevokeCommand(c *connection) *cobra.Command {
	in := &copayv1.RevokeMessageConsentRequest{}
	var channel string
	cmd := &cobra.Command{
		Use: "message-revoke ADDRESS", Short: "The patient is not written to any more at an address, or anywhere", Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := enum("--channel", "CHANNEL_", channel, copayv1.Channel_value)
			if err != nil {
				return err
			}
			in.PracticeId, in.Address, in.Channel, in.RequestId = c.practice, args[0], copayv1.Channel(v), orNew(in.GetRequestId())
			return c.unsure(call(cmd, c, func(ctx context.Context, conn *grpc.ClientConn) (*copayv1.RevokeMessageConsentResponse, error) {
				return copayv1.NewConsentServiceClient(conn).RevokeMessageConsent(ctx, in)
			}, func(w io.Writer, r *copayv1.RevokeMessageConsentResponse) {
				fmt.Fprintf(w, "revoked; open co-pays that decide anew: %d\n", r.GetCopays())
			}), in.GetRequestId())
		},
	}
	cmd.Flags().StringVar(&channel, "channel", "sms", "sms or email")
	choose(cmd, "channel", "CHANNEL_", copayv1.Channel_value)
	cmd.Flags().BoolVar(&in.Everywhere, "everywhere", false, "on all channels of the patients who use this address")
	because(cmd, &in.Reason, &in.RequestId)
	return cmd
}
