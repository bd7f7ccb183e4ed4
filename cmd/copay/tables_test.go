package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	copayv1 "github.com/copayflow/copayflow/proto/copay/v1"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.Local)

func usd(minor int64) *copayv1.Money { return &copayv1.Money{Minor: minor, Currency: "USD"} }

// answering is an API with one answer to one method.
func answering(method string, m ...proto.Message) *echo {
	return &echo{answers: map[string][]proto.Message{method: m}}
}

// squeezed takes the blanks of a table's columns together.
func squeezed(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return strings.Join(lines, "\n")
}

func story() *copayv1.CoPay {
	return &copayv1.CoPay{Id: someCoPay, ChargeId: "777", Ehr: "drchrono", PatientRef: "p7", RemindersPaused: true, ServiceDate: "2026-11-24", State: copayv1.State_STATE_NEEDS_REVIEW,
		Amounts:  &copayv1.Amounts{Billed: usd(145_00), Estimated: usd(25_00), Requested: usd(30_00), Collected: usd(25_00), Outstanding: usd(5_00)},
		Estimate: &copayv1.Estimate{Kind: copayv1.EstimateKind_ESTIMATE_KIND_COPAY, Confidence: 95, Reasons: []*copayv1.EstimateReason{{Text: "co-pay", Amount: usd(25_00), Source: "271 EB*B"}}},
		Payments: []*copayv1.Payment{{Id: "pay-1", Amount: usd(25_00), Rail: copayv1.Rail_RAIL_CASH, Status: copayv1.PaymentStatus_PAYMENT_STATUS_CAPTURED}},
		Refunds: []*copayv1.Refund{{Id: "ref-1", PaymentId: "pay-1", Amount: usd(5_00), Status: copayv1.RefundStatus_REFUND_STATUS_DONE},
			{Id: "ref-2", PaymentId: "pay-1", Amount: usd(20_00), Status: copayv1.RefundStatus_REFUND_STATUS_AWAITING_APPROVAL}},
		Review:     &copayv1.Review{Kind: copayv1.ReviewKind_REVIEW_KIND_REFUND_APPROVAL, Message: "A second person must approve."},
		NextAction: "remind the patient", NextActionAt: timestamppb.New(noon.Add(-10 * time.Millisecond))}
}

func TestACoPayIsShownWithWhatToDoNext(t *testing.T) {
	t.Parallel()
	text, err := answering("GetCoPay", &copayv1.GetCoPayResponse{Copay: story()}).run(t, "get", someCoPay)
	require.NoError(t, err)
	require.Equal(t, squeezed(someCoPay+` needs_review
 charge 777 in drchrono, patient p7, visit of 2026-11-24
 amounts charged $145.00, estimated $25.00, requested $30.00, collected $25.00, refunded -, open $5.00
 why copay, confidence 95 of 100
 · co-pay $25.00 [271 EB*B]
 pay-1 $25.00 by cash, captured
 ref-1 $5.00 of pay-1, done
 ref-2 $20.00 of pay-1, awaiting_approval
 copay approve-refund `+someCoPay+` ref-2 --reason … [--reject]
 REVIEW refund_approval: A second person must approve.
 paused no reminders until: copay resume `+someCoPay+` --reason …
 next remind the patient at 2026-11-24 12:00`), squeezed(text))
}

// What a list shows as held is what the practice has, and not what it once had.
func TestAListShowsWhatIsHeld(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]*copayv1.Amounts{
		"$25.00": {Collected: usd(25_00)}, "$20.00": {Collected: usd(25_00), Refunded: usd(5_00)}, "$0.00": {Collected: usd(25_00), Refunded: usd(25_00)}, "-": {},
	} {
		text, err := answering("ListCoPays", &copayv1.ListCoPaysResponse{Copays: []*copayv1.CoPay{{Id: someCoPay, State: copayv1.State_STATE_PAID, Amounts: a, ServiceDate: "2026-11-24"}}}).run(t, "list")
		require.NoError(t, err)
		require.Contains(t, squeezed(text), someCoPay+" paid - "+want+" 2026-11-24")
	}
}

func TestADeclinedPaymentSaysWhy(t *testing.T) {
	t.Parallel()
	c := story()
	c.Payments[0].Status, c.Payments[0].Decline = copayv1.PaymentStatus_PAYMENT_STATUS_FAILED, "insufficient_funds"
	text, err := answering("GetCoPay", &copayv1.GetCoPayResponse{Copay: c}).run(t, "get", someCoPay)
	require.NoError(t, err)
	require.Contains(t, squeezed(text), "pay-1 $25.00 by cash, failed: insufficient_funds\n")
}

// A mistyped number starts a co-pay that waits for somebody; the shell must not
// take that for done.
func TestAChargeThatTheEHRDoesNotKnowFailsTheStart(t *testing.T) {
	t.Parallel()
	e := &echo{}
	prepare := func() {
		e.answers = map[string][]proto.Message{"StartCoPay": {&copayv1.StartCoPayResponse{Ready: true, Copay: &copayv1.CoPay{Id: someCoPay, ChargeId: "7777", Ehr: "drchrono",
			State: copayv1.State_STATE_NEEDS_REVIEW, Review: &copayv1.Review{Kind: copayv1.ReviewKind_REVIEW_KIND_UNKNOWN_CHARGE}}}}}
	}
	prepare()
	text, err := e.run(t, "start", "7777")
	require.Equal(t, exitNotFound, exitCode(err))
	require.Contains(t, text, someCoPay+"  needs_review", "the co-pay that there now is is shown")
	for _, want := range []string{"drchrono does not know the charge 7777", "copay cancel " + someCoPay + " --reason", "copay review " + someCoPay + " --reason … --choice retry"} {
		require.ErrorContains(t, err, want)
	}
	prepare()
	_, err = e.run(t, "start", "7777", "--json")
	require.Contains(t, complained([]string{"--json"}, err), `"code":"NOT_FOUND","reason":"NOT_FOUND"`)
	for _, kind := range []copayv1.ReviewKind{copayv1.ReviewKind_REVIEW_KIND_UNSPECIFIED, copayv1.ReviewKind_REVIEW_KIND_INACTIVE} {
		_, err = answering("StartCoPay", &copayv1.StartCoPayResponse{Copay: &copayv1.CoPay{Id: someCoPay, Review: &copayv1.Review{Kind: kind}}}).run(t, "start", "777")
		require.NoError(t, err, "other questions are asked by the list of reviews")
	}
}

func TestOfAChargeThatWasNotReadOnlyTheIDIsShown(t *testing.T) {
	t.Parallel()
	text, err := answering("GetCoPay", &copayv1.GetCoPayResponse{Copay: &copayv1.CoPay{Id: someCoPay, ChargeId: "777", Ehr: "drchrono",
		State: copayv1.State_STATE_VERIFYING}}).run(t, "get", someCoPay)
	require.NoError(t, err)
	require.Contains(t, text, "777 in drchrono\n")
}

func TestListsAreTables(t *testing.T) {
	t.Parallel()
	when := timestamppb.New(noon)
	for name, tc := range map[string]struct {
		method string
		answer proto.Message
		args   string
		want   string
	}{
		"co-pays": {"ListCoPays", &copayv1.ListCoPaysResponse{Copays: []*copayv1.CoPay{story()}}, "list",
			"ID STATE REQUESTED HELD VISIT REVIEW NEXT\n" + someCoPay + " needs_review $30.00 $25.00 2026-11-24 refund_approval remind the patient 2026-11-24 12:00"},
		"no co-pays": {"ListCoPays", &copayv1.ListCoPaysResponse{}, "list", "ID STATE REQUESTED HELD VISIT REVIEW NEXT\n(none)"},
		"timeline": {"GetTimeline", &copayv1.GetTimelineResponse{Events: []*copayv1.TimelineEvent{{At: when, Kind: "note", Actor: &copayv1.Actor{Id: "dana"}, Summary: "a note",
			Reason: "asked", Note: "call back"}}}, "timeline " + someCoPay, "WHEN WHO WHAT SUMMARY\n2026-11-24 12:00 dana note a note (asked): call back"},
		"entries": {"ListEntries", &copayv1.ListEntriesResponse{Entries: []*copayv1.Entry{{At: when, CopayId: someCoPay, Step: "capture-pay-1", Lines: []*copayv1.EntryLine{
			{Account: "cash_on_hand", DebitMinor: 25_00}, {Account: "patient_receivable", CreditMinor: 25_00}}}}}, "ledger entries",
			"WHEN COPAY STEP ACCOUNT DEBIT CREDIT\n2026-11-24 12:00 " + someCoPay + " capture-pay-1 cash_on_hand $25.00\n2026-11-24 12:00 " + someCoPay + " capture-pay-1 patient_receivable $25.00"},
		"balance": {"GetTrialBalance", &copayv1.GetTrialBalanceResponse{Balanced: true, Balances: []*copayv1.AccountBalance{{Account: "waivers", DebitMinor: 5, NetMinor: 5},
			{Account: "copay_revenue", CreditMinor: 5, NetMinor: -5}}}, "ledger balance", "ACCOUNT DEBIT CREDIT NET\nwaivers $0.05 $0.05\ncopay_revenue $0.05 -$0.05\nbalanced: true"},
		"estimates": {"CompareEstimates", &copayv1.CompareEstimatesResponse{Comparisons: []*copayv1.EstimateComparison{
			{PayerId: "60054", Payer: "Aetna", ServiceType: "98", Copays: 3, Exact: 1, High: 2, Currency: "USD", EstimatedMinor: 90_00, AdjudicatedMinor: 75_00, OffByMinor: 5_00},
			{Copays: 1, Exact: 1, Currency: "USD"}}}, "ledger estimates",
			"PAYER SERVICE COPAYS EXACT ESTIMATED REMITTED OFF_BY HIGH LOW\nAetna 98 3 1 $90.00 $75.00 $5.00 2 0\n- - 1 1 $0.00 $0.00 $0.00 0 0"},
		"no estimates": {"CompareEstimates", &copayv1.CompareEstimatesResponse{}, "ledger estimates", "PAYER SERVICE COPAYS EXACT ESTIMATED REMITTED OFF_BY HIGH LOW\n(none)"},
		"audit": {"ListAuditRecords", &copayv1.ListAuditRecordsResponse{Records: []*copayv1.AuditRecord{{Seq: 7, At: when, Actor: &copayv1.Actor{Id: "bob"}, Action: "waive", Reason: "hardship"}}},
			"audit list", "SEQ WHEN WHO ACTION COPAY REASON\n7 2026-11-24 12:00 bob waive hardship"},
		"chain": {"VerifyAuditChain", &copayv1.VerifyAuditChainResponse{Rows: 7, Ok: true, Head: "ab"}, "audit verify", "7 records, chain intact: true\nhead ab"},
		"histories": {"ListHistories", &copayv1.ListHistoriesResponse{Histories: []*copayv1.History{{RunId: "run-1", ClosedAt: when, Size: 9, Sha256: "ab"}}},
			"audit histories " + someCoPay, "RUN CLOSED BYTES SHA256\nrun-1 2026-11-24 12:00 9 ab"},
		"no histories": {"ListHistories", &copayv1.ListHistoriesResponse{}, "audit histories " + someCoPay, "None yet: a history is archived within the hour after its run has closed."},
		"platforms": {"ListPlatforms", &copayv1.ListPlatformsResponse{Platforms: []*copayv1.Platform{{Name: "stripe", Ok: true, Ports: []string{"collect"}, Capabilities: []string{"collect", "webhooks"}},
			{Name: "twilio", Problem: "no account_sid"}}}, "platforms list", "PLATFORM OK USED_FOR CAN PROBLEM\nstripe true collect collect, webhooks\ntwilio false no account_sid"},
		"dead letters": {"ListDeadLetters", &copayv1.ListDeadLettersResponse{DeadLetters: []*copayv1.DeadLetter{{InboxId: 9, ReceivedAt: when, Platform: "stripe", EventId: "evt_1", Kind: "payment",
			Attempts: 12, LastError: "no co-pay knows it"}}}, "inbox dead", "ID RECEIVED PLATFORM EVENT KIND TRIES WHY\n9 2026-11-24 12:00 stripe evt_1 payment 12 no co-pay knows it"},
		"stats": {"GetInboxStats", &copayv1.GetInboxStatsResponse{Stats: []*copayv1.InboxStats{{Platform: "stripe", Pending: 2, Dead: 1}}}, "inbox stats",
			"PLATFORM PENDING DEAD OLDEST\nstripe 2 1 -"},
		"start": {"StartCoPay", &copayv1.StartCoPayResponse{Copay: &copayv1.CoPay{Id: someCoPay, State: copayv1.State_STATE_VERIFYING}, Progress: "coverage is being checked"}, "start 777",
			someCoPay + " verifying\ncharge in\namounts charged -, estimated -, requested -, collected -, refunded -, open -\nprogress coverage is being checked"},
		"replay": {"ReplayEvent", &copayv1.ReplayEventResponse{}, "inbox replay 9 --reason mended", "event 9 is delivered again"},
		"card consent": {"RecordCardConsent", &copayv1.RecordCardConsentResponse{Brand: "visa", Last4: "4242", Platform: "stripe"},
			"consent card pat-1 --cap 50 --charge 777 --text-version v1 --reason signed", "the visa ending in 4242 at stripe may be charged, up to $50.00"},
		"card revoked": {"RevokeCardConsent", &copayv1.RevokeCardConsentResponse{Revoked: true, Copays: 2}, "consent card-revoke pat-1 --reason asked",
			"revoked; open co-pays that ask by link instead: 2"},
		"no card to revoke": {"RevokeCardConsent", &copayv1.RevokeCardConsentResponse{}, "consent card-revoke pat-1 --reason asked", "there was no consent to revoke"},
		"where messages go": {"GetMessageConsents", &copayv1.GetMessageConsentsResponse{Consents: []*copayv1.MessageConsent{
			{Channel: copayv1.Channel_CHANNEL_SMS, HasAddress: true, GivenAt: timestamppb.New(noon), Source: "ehr", RevokedAt: timestamppb.New(noon), RevokedBy: "STOP"},
			{Channel: copayv1.Channel_CHANNEL_SMS, HasAddress: true, Allowed: true, GivenAt: timestamppb.New(noon), Source: "START", RevokedAt: timestamppb.New(noon.Add(-time.Hour)), RestoredAt: timestamppb.New(noon)},
			{Channel: copayv1.Channel_CHANNEL_SMS, HasAddress: true, GivenAt: timestamppb.New(noon), Source: "ehr", BadAt: timestamppb.New(noon), BadCode: "30006"},
			{Channel: copayv1.Channel_CHANNEL_SMS, HasAddress: true},
			{Channel: copayv1.Channel_CHANNEL_SMS, HasAddress: true, RefusedInEhr: true},
			{Channel: copayv1.Channel_CHANNEL_EMAIL},
			{Channel: copayv1.Channel_CHANNEL_EMAIL, HasAddress: true, Allowed: true, GivenAt: timestamppb.New(noon), Source: "desk", TextVersion: "v1"}}},
			"consent show " + someCoPay, `CHANNEL MESSAGES WHY
sms no revoked 2026-11-24 12:00 by STOP
sms yes agreed 2026-11-24 12:00, START
sms no the address was found not to work 2026-11-24 12:00 (30006)
sms no no consent on record
sms no the patient's record in the EHR says not to
email no the EHR has no address
email yes agreed 2026-11-24 12:00, desk, wording v1`},
		"a patient who was not read": {"GetMessageConsents", &copayv1.GetMessageConsentsResponse{}, "consent show " + someCoPay, "the patient was not read from the EHR yet"},
		"messages":                   {"RecordMessageConsent", &copayv1.RecordMessageConsentResponse{Effective: true}, "consent message +13125550142 --text-version v1 --reason asked", "recorded"},
		"messages after a STOP":      {"RecordMessageConsent", &copayv1.RecordMessageConsentResponse{}, "consent message +13125550142 --text-version v1 --reason asked", "recorded, but the patient has said STOP: only their own START lifts that"},
		"no messages any more":       {"RevokeMessageConsent", &copayv1.RevokeMessageConsentResponse{Copays: 1}, "consent message-revoke +13125550142 --reason asked", "revoked; open co-pays that decide anew: 1"},
		"a platform is tested well":  {"TestConnection", &copayv1.TestConnectionResponse{Ok: true, Message: "test mode"}, "platforms test stripe", "PLATFORM OK ANSWER\nstripe true test mode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := answering(tc.method, tc.answer).run(t, strings.Fields(tc.args)...)
			require.NoError(t, err)
			require.Equal(t, tc.want, squeezed(text))
		})
	}
}

// What does not add up is printed, and the command fails.
func TestBooksThatAreWrongFailTheCommand(t *testing.T) {
	t.Parallel()
	text, err := answering("GetTrialBalance", &copayv1.GetTrialBalanceResponse{Balances: []*copayv1.AccountBalance{{Account: "waivers", DebitMinor: 5, NetMinor: 5}}}).run(t, "ledger", "balance")
	require.ErrorContains(t, err, "does not balance")
	require.Equal(t, exitFailure, exitCode(err))
	require.Contains(t, text, "balanced: false")
	text, err = answering("VerifyAuditChain", &copayv1.VerifyAuditChainResponse{Rows: 7, FirstBad: 4, Problem: "its hash is another"}).run(t, "audit", "verify")
	require.ErrorContains(t, err, "broken at record 4: its hash is another")
	require.Equal(t, exitFailure, exitCode(err))
	require.Contains(t, text, "chain intact: false")
	text, err = answering("TestConnection", &copayv1.TestConnectionResponse{Message: "the key is refused", Failure: "unauthorized"}).run(t, "--json", "platforms", "test", "stripe")
	require.ErrorContains(t, err, "cannot be used: stripe")
	require.JSONEq(t, `[{"platform":"stripe","ok":false,"message":"the key is refused","failure":"unauthorized"}]`, text)
}

func TestListsAreJSONForMachines(t *testing.T) {
	t.Parallel()
	e := answering("ListCoPays", &copayv1.ListCoPaysResponse{Copays: []*copayv1.CoPay{{Id: "cp_1"}}, NextPageToken: "t2"}, &copayv1.ListCoPaysResponse{Copays: []*copayv1.CoPay{{Id: "cp_2"}}})
	text, err := e.run(t, "list", "--all", "--json")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Len(t, lines, 2, "one object a page")
	require.JSONEq(t, `{"copays":[{"id":"cp_1"}],"next_page_token":"t2"}`, lines[0])
	require.JSONEq(t, `{"copays":[{"id":"cp_2"}]}`, lines[1])
	text, err = answering("CompareEstimates", &copayv1.CompareEstimatesResponse{Comparisons: []*copayv1.EstimateComparison{{PayerId: "60054", Payer: "Aetna", Copays: 1, Low: 1, Currency: "USD",
		EstimatedMinor: 25_00, AdjudicatedMinor: 35_00, OffByMinor: 10_00}}}).run(t, "ledger", "estimates", "--json")
	require.NoError(t, err)
	require.JSONEq(t, `{"comparisons":[{"payer_id":"60054","payer":"Aetna","copays":"1","low":"1","currency":"USD","estimated_minor":"2500","adjudicated_minor":"3500","off_by_minor":"1000"}]}`, text)
	text, err = answering("ListDeadLetters").run(t, "inbox", "dead", "--json")
	require.NoError(t, err)
	require.JSONEq(t, `{}`, text, "nothing for people in it")
}
