package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/ledger"
)

// estimating asks what an insured patient owes for an office visit.
func estimating() EstimateInput {
	no := false
	return EstimateInput{Key: key, Patient: "p1", Insured: true, Policy: copay.Policy{CardOnFile: true}.WithDefaults(),
		Facts: copay.ChargeFacts{Billed: copay.Cents(145_00), Service: copay.ServiceOfficeVisit, ServiceDate: "2026-11-24", Specialist: &no, Network: copay.NetworkIn}}
}

// insured keeps the payer's answer in the store: a co-pay of $25.
func insured(b bench, change ...func(*copay.Benefits)) {
	ins := integrations.Insurance{PayerID: "60054", MemberID: "W1"}
	b.s.patient = integrations.Patient{Insurance: []integrations.Insurance{ins}}
	benefits := copay.Benefits{Status: copay.CoverageActive, Kind: copay.PlanCommercial, Source: "availity",
		CoPays: []copay.BenefitAmount{{Amount: copay.Cents(25_00), Service: copay.ServiceOfficeVisit, Network: copay.NetworkIn, Source: "271 EB*B"}}}
	for _, f := range change {
		f(&benefits)
	}
	b.s.benefits = map[string]copay.Benefits{memberKey(ins) + string(copay.ServiceOfficeVisit) + "2026-11-24": benefits}
}

// consented keeps a card that may be charged up to $100 a time.
func consented(b bench) {
	b.s.hasCard, b.s.card = true, ledger.CardOnFile{Platform: "stripe", Customer: "cus_1", Method: "pm_1", Consent: copay.CardConsent{Scope: copay.ScopeUntil,
		Cap: copay.Cents(100_00), Until: b.a.now().Add(time.Hour), TextVersion: "v1", GivenAt: b.a.now().Add(-time.Hour)}}
}

func TestAnEstimateGoesByThePayersAnswer(t *testing.T) {
	b := setup(t)
	insured(b)
	b.s.reach = []copay.Reach{{Channel: copay.ChannelSMS, Consent: true, Usable: false}, {Channel: copay.ChannelEmail, Consent: true, Usable: true}}
	var out Estimated
	require.NoError(t, b.run(b.a.Estimate, estimating(), &out))
	require.Equal(t, copay.EstimateOwed, out.Estimate.Kind)
	require.Equal(t, copay.Cents(25_00), out.Estimate.Amount)
	require.GreaterOrEqual(t, out.Estimate.Confidence, 70)
	require.Equal(t, b.a.now(), out.Estimate.At)
	require.True(t, out.Reachable)
	require.False(t, out.Card)
	require.Equal(t, "no card is on file", out.WhyNot)
}

func TestAnEstimateWithoutAnswerIsNotSure(t *testing.T) {
	b := setup(t)
	insured(b)
	b.s.benefits = nil
	in := estimating()
	field := copay.Cents(30_00)
	in.Facts.EHRCoPay = &field
	var out Estimated
	require.NoError(t, b.run(b.a.Estimate, in, &out))
	require.Equal(t, copay.Cents(30_00), out.Estimate.Amount)
	require.Less(t, out.Estimate.Confidence, 70)
	require.Contains(t, out.Estimate.Reasons[0].Text, "no payer could be reached")
	require.False(t, out.Reachable)
}

// A policy that only the EHR knows of may pay a part: a person looks.
func TestAFurtherPolicyOnFileLowersTheConfidence(t *testing.T) {
	second := integrations.Insurance{PayerID: "99999", MemberID: "M2"}
	for name, tc := range map[string]struct {
		further integrations.Insurance
		payer   []copay.SecondaryCoverage
		sure    bool
	}{
		"only the EHR knows of it":       {second, nil, false},
		"the same policy twice":          {integrations.Insurance{PayerID: "60054", MemberID: "W1"}, nil, true},
		"the payer says that it is over": {second, []copay.SecondaryCoverage{{Active: false}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			insured(b, func(x *copay.Benefits) { x.Secondary = tc.payer })
			b.s.patient.Insurance = append(b.s.patient.Insurance, tc.further)
			var out Estimated
			require.NoError(t, b.run(b.a.Estimate, estimating(), &out))
			require.Equal(t, copay.Cents(25_00), out.Estimate.Amount)
			require.Equal(t, tc.sure, out.Estimate.Confidence >= 70)
		})
	}
}

func TestAStoredCardIsJudgedByWhatIsAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		ask  int64
		card bool
		kind copay.PlanKind
	}{
		"the estimate":       {0, true, copay.PlanCommercial},
		"what a person set":  {80_00, true, copay.PlanCommercial},
		"above the cap":      {100_01, false, copay.PlanCommercial},
		"must not be billed": {80_00, false, copay.PlanQMB},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			insured(b, func(x *copay.Benefits) { x.Kind = tc.kind })
			consented(b)
			in := estimating()
			in.Ask = copay.Cents(tc.ask)
			var out Estimated
			require.NoError(t, b.run(b.a.Estimate, in, &out))
			require.Equal(t, tc.card, out.Card)
		})
	}
}

func TestNoCardIsLookedForWhereThePracticeChargesNone(t *testing.T) {
	b := setup(t)
	insured(b)
	consented(b)
	in := estimating()
	in.Policy.CardOnFile = false
	var out Estimated
	require.NoError(t, b.run(b.a.Estimate, in, &out))
	require.False(t, out.Card)
	require.Empty(t, out.WhyNot)
}

func TestAPatientWithoutInsuranceIsNotChecked(t *testing.T) {
	b := setup(t)
	var out Checked
	require.NoError(t, b.run(b.a.CheckEligibility, CheckInput{Key: key}, &out))
	require.Equal(t, copay.CoverageUnknown, out.Status)
	require.Contains(t, out.Problem, "no insurance")
}

// What was wrong with an answer may have been mended since: it is asked again.
func TestAnUnusableAnswerIsNotUsedAgain(t *testing.T) {
	b := setup(t)
	p := &payer{check: func(n int) (integrations.EligibilityResult, error) {
		if n == 1 {
			return integrations.EligibilityResult{Benefits: copay.Benefits{Status: copay.CoverageUnknown, Problem: "the member id is not known", Source: "availity"}}, nil
		}
		return answer()
	}}
	first, err := checking(b, p)
	require.NoError(t, err)
	require.Equal(t, "the member id is not known", first.Problem)
	second, err := checking(b, p)
	require.NoError(t, err)
	require.False(t, second.Cached)
	require.Equal(t, copay.CoverageActive, second.Status)
}

func TestNobodyToAskIsNamed(t *testing.T) {
	b := setup(t)
	b.s.patient = integrations.Patient{Insurance: []integrations.Insurance{{PayerID: "60054", MemberID: "W1"}}}
	require.Equal(t, integrations.KindNotFound, FailureOf(b.run(b.a.CheckEligibility, CheckInput{Key: key}, nil)).Kind)
}

// What a payer refuses as wrong, nobody else is asked.
func TestAWrongQuestionIsNotAskedElsewhere(t *testing.T) {
	b := setup(t)
	p := &payer{check: func(int) (integrations.EligibilityResult, error) {
		return integrations.EligibilityResult{}, &integrations.Error{Kind: integrations.KindInvalid, Platform: "availity"}
	}}
	_, err := checking(b, p)
	require.Equal(t, integrations.KindInvalid, FailureOf(err).Kind)
}

// Two charges of one visit do not both ask for the visit's co-pay. A share of a
// charge is owed for each of them.
func TestAVisitsCoPayIsAskedOnce(t *testing.T) {
	owned := map[copay.AppointmentID]copay.ID{"a-1/98": "cp_other"}
	shares := func(b *copay.Benefits) {
		b.CoPays = nil
		b.CoInsurance = []copay.BenefitAmount{{Percent: 20_00, Service: copay.ServiceOfficeVisit, Network: copay.NetworkIn, Source: "271 EB*A"}}
	}
	for name, tc := range map[string]struct {
		visit  copay.AppointmentID
		change func(*copay.Benefits)
		input  func(*EstimateInput)
		doubt  bool
	}{
		"another charge asks for it": {visit: "a-1", doubt: true},
		"its own visit":              {visit: "a-2"},
		"no visit":                   {},
		"a share of the charge":      {visit: "a-1", change: shares},
		"the patient pays all":       {visit: "a-1", input: func(in *EstimateInput) { in.Facts.SelfPay = true }},
		"nothing may be asked":       {visit: "a-1", input: func(in *EstimateInput) { in.Facts.Preventive = true }},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			insured(b)
			if tc.change != nil {
				insured(b, tc.change)
			}
			b.s.visits = owned
			in := estimating()
			in.Appointment = tc.visit
			if tc.input != nil {
				tc.input(&in)
			}
			var out Estimated
			require.NoError(t, b.run(b.a.Estimate, in, &out))
			last := out.Estimate.Reasons[len(out.Estimate.Reasons)-1].Text
			if !tc.doubt {
				require.NotContains(t, last, "cp_other")
				require.Positive(t, out.Estimate.Confidence)
				return
			}
			require.Contains(t, last, "cp_other")
			require.Zero(t, out.Estimate.Confidence, "a person looks whatever the practice's threshold is")
			require.Equal(t, copay.Cents(25_00), out.Estimate.Amount)
		})
	}
	t.Run("the database is down", func(t *testing.T) {
		b := setup(t)
		insured(b)
		b.s.visitErr = platformDown()
		in := estimating()
		in.Appointment = "a-1"
		require.Error(t, b.run(b.a.Estimate, in, nil))
	})
}
