package availity_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/integrations/availity"
	availitysim "github.com/copayflow/copayflow/sandbox/availity"
)

func dollars(n int64) copay.Money { return copay.Cents(n * 100) }

func TestOneCoPay(t *testing.T) {
	t.Parallel()
	f := setup(t)
	b := f.benefits(availitysim.MemberCoPay)
	require.Equal(t, copay.CoverageActive, b.Status)
	require.Equal(t, copay.PlanCommercial, b.Kind)
	require.Equal(t, "availity", b.Source)
	require.Equal(t, f.now.get(), b.CheckedAt)
	require.NotEmpty(t, b.TraceID)
	require.Empty(t, b.Problem)
	require.Equal(t, []copay.BenefitAmount{
		{Amount: dollars(25), Service: "98", Network: copay.NetworkIn, Level: "IND", Source: "271 EB*B (availity plans[0].benefits[1].coPayment.inNetwork[0])"},
		{Amount: dollars(60), Service: "98", Network: copay.NetworkOut, Level: "IND", Source: "271 EB*B (availity plans[0].benefits[1].coPayment.outOfNetwork[0])"},
	}, b.CoPays)
	require.Len(t, f.wire.to("POST", "/v1/coverages"), 1)
	require.Len(t, f.wire.to("GET", "/v1/coverages/"), 1, "the summary has no benefits: they are read")
}

// What goes to the payer is the least that answers, under Availity's id.
func TestRequestIsTheLeastThatAnswers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.benefits(availitysim.MemberCoPay)
	got := f.sim.Coverages()
	require.Len(t, got, 1)
	require.Equal(t, availitysim.PayerA, got[0].PayerID)
	require.Equal(t, "98", got[0].Service)
	require.Equal(t, "2026-11-24", got[0].AsOf)
	require.Equal(t, []string{"asOfDate", "groupNumber", "memberId", "patientBirthDate", "patientFirstName", "patientGender", "patientLastName", "patientState", "payerId",
		"providerNpi", "serviceType", "subscriberRelationship"}, got[0].Fields)

	// The next payer forbids the group number, and is known by the same id at
	// the EHR and Availity.
	f.benefits(availitysim.MemberCoPay, payer(availitysim.PayerB))
	require.NotContains(t, f.sim.Coverages()[1].Fields, "groupNumber")

	// No service type asks for the plan; the configured provider comes before
	// the practice's.
	other := f.connect(map[string]any{"provider_npi": "1999999984"})
	_, err := other.Check(t.Context(), request(availitysim.MemberCoPay, service("")))
	require.NoError(t, err)
	posts := f.wire.to("POST", "/v1/coverages")
	last := posts[len(posts)-1].form
	require.Equal(t, "30", last.Get("serviceType"))
	require.Equal(t, "1999999984", last.Get("providerNpi"))
	require.Equal(t, "F", last.Get("patientGender"))
	require.Equal(t, lastName, last.Get("patientLastName"))
}

func TestPlansOfEveryKind(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for member, check := range map[string]func(b copay.Benefits){
		availitysim.MemberTwoRows: func(b copay.Benefits) {
			require.Len(t, b.CoPays, 3, "the empty amount is passed over")
			require.Equal(t, "PRIMARY CARE", b.CoPays[0].Note)
			require.Equal(t, dollars(40), b.CoPays[1].Amount)
			require.Equal(t, "SPECIALIST", b.CoPays[1].Note)
		},
		availitysim.MemberInactive: func(b copay.Benefits) {
			require.Equal(t, copay.CoverageInactive, b.Status)
			require.Empty(t, b.CoPays)
		},
		availitysim.MemberMedicaid: func(b copay.Benefits) {
			require.Equal(t, copay.PlanMedicaid, b.Kind)
			require.Equal(t, copay.NetworkAny, b.CoPays[0].Network)
		},
		availitysim.MemberQMB: func(b copay.Benefits) { require.Equal(t, copay.PlanQMB, b.Kind) },
		availitysim.MemberSecondary: func(b copay.Benefits) {
			require.Equal(t, []copay.SecondaryCoverage{{Active: true, Source: "271 (availity plans[0].additionalPayers[0])"},
				{Active: false, Source: "271 (availity plans[0].additionalPayers[1])"}}, b.Secondary, "one of them ended")
		},
		availitysim.MemberDeductible: func(b copay.Benefits) {
			require.Empty(t, b.CoPays)
			require.Equal(t, []copay.Percent{2000, 4000}, []copay.Percent{b.CoInsurance[0].Percent, b.CoInsurance[1].Percent})
			require.Equal(t, copay.BenefitAmount{Amount: dollars(60), Service: "30", Network: copay.NetworkIn, Level: "IND",
				Source: "271 EB*C (availity plans[0].benefits[0].deductibles.inNetwork[0])"}, b.Deductible[0])
			require.Equal(t, "FAM", b.Deductible[1].Level)
			require.Len(t, b.OutOfPocket, 1, "the whole maximum is not what is left of it")
			require.Equal(t, dollars(1200), b.OutOfPocket[0].Amount)
			require.Equal(t, "271 EB*G (availity plans[0].benefits[0].outOfPocket.inNetwork[1])", b.OutOfPocket[0].Source)
		},
		availitysim.MemberWhole: func(b copay.Benefits) {
			require.True(t, b.Deductible[0].Whole)
			require.Equal(t, dollars(500), b.Deductible[0].Amount)
		},
		availitysim.MemberMaximum: func(b copay.Benefits) {
			require.Equal(t, dollars(0), b.OutOfPocket[0].Amount)
			require.Equal(t, dollars(2500), b.OutOfPocket[1].Amount)
		},
		availitysim.MemberNotCovered: func(b copay.Benefits) { require.True(t, b.NonCovered) },
		availitysim.MemberGeneral:    func(b copay.Benefits) { require.Empty(t, b.CoPays) },
		availitysim.MemberPreventive: func(b copay.Benefits) {
			require.False(t, b.Preventive, "a sick visit is not preventive")
			require.Equal(t, dollars(25), b.CoPays[0].Amount)
		},
	} {
		b := f.benefits(member)
		require.Equal(t, member != availitysim.MemberInactive, b.Status == copay.CoverageActive, member)
		require.Empty(t, b.Problem, member)
		check(b)
	}
	well := f.benefits(availitysim.MemberPreventive, service("BZ"))
	require.True(t, well.Preventive)
	require.False(t, f.benefits(availitysim.MemberCoPay, service("BZ")).Preventive, "a well visit with a co-pay")
}

// What the connector reads is what the estimate needs: the two together.
func TestFromAnswerToEstimate(t *testing.T) {
	t.Parallel()
	f := setup(t)
	special := true
	facts := copay.ChargeFacts{Billed: dollars(145), Allowed: dollars(120), Service: "98", ServiceDate: "2026-11-24", Network: copay.NetworkIn}
	specialist := facts
	specialist.Specialist = &special
	for member, x := range map[string]struct {
		facts      copay.ChargeFacts
		kind       copay.EstimateKind
		amount     copay.Money
		confidence int
	}{
		availitysim.MemberCoPay:      {facts, copay.EstimateOwed, dollars(25), 95},
		availitysim.MemberTwoRows:    {specialist, copay.EstimateOwed, dollars(40), 95},
		availitysim.MemberInactive:   {facts, copay.EstimateUnknown, dollars(0), 0},
		availitysim.MemberMedicaid:   {facts, copay.EstimateZeroByRule, dollars(0), 100},
		availitysim.MemberQMB:        {facts, copay.EstimateZeroByRule, dollars(0), 100},
		availitysim.MemberSecondary:  {facts, copay.EstimateOwed, dollars(25), 45},
		availitysim.MemberDeductible: {facts, copay.EstimateOwed, dollars(72), 80}, // 60 + 20 % of 60
		availitysim.MemberWhole:      {facts, copay.EstimateOwed, dollars(24), 45},
		availitysim.MemberMaximum:    {facts, copay.EstimateNothing, dollars(0), 95},
		availitysim.MemberNotCovered: {facts, copay.EstimateUnknown, dollars(0), 0},
		availitysim.MemberRejected:   {facts, copay.EstimateUnknown, dollars(0), 0},
	} {
		e := copay.EstimateCoPay(f.benefits(member), x.facts, copay.Policy{})
		require.Equal(t, x.kind, e.Kind, member)
		require.Equal(t, x.amount, e.Amount, member)
		require.Equal(t, x.confidence, e.Confidence, member)
	}
	e := copay.EstimateCoPay(f.benefits(availitysim.MemberTwoRows), facts, copay.Policy{})
	require.Equal(t, 30, e.Confidence, "nobody said who the provider is")
}

// From in progress over retrying to complete, by polling.
func TestPolling(t *testing.T) {
	t.Parallel()
	f := setupWith(t, availitysim.Config{Polls: 2}, nil)
	res, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
	require.NoError(t, err)
	require.True(t, res.Pending)
	require.NotEmpty(t, res.Handle)
	require.Empty(t, res.Benefits.Problem)
	inside(t, res.RetryAfter, 500*time.Millisecond)

	f.now.add(3 * time.Second)
	res, err = f.Poll(t.Context(), res.Handle)
	require.NoError(t, err)
	require.True(t, res.Pending)
	inside(t, res.RetryAfter, 3*time.Second) // as long again as it took so far

	f.now.add(-2 * time.Second)
	res, err = f.Poll(t.Context(), res.Handle)
	require.NoError(t, err)
	require.True(t, res.Pending)
	require.Equal(t, "R1", f.sim.Coverages()[0].StatusCode)
	inside(t, res.RetryAfter, 2*time.Second) // Availity tries again by itself

	f.now.add(time.Hour)
	res, err = f.Poll(t.Context(), res.Handle)
	require.NoError(t, err)
	require.False(t, res.Pending)
	require.Equal(t, dollars(25), res.Benefits.CoPays[0].Amount)
	require.Equal(t, 1, f.sim.Checks())
}

// inside checks a pause with up to a fifth of jitter.
func inside(t *testing.T, got, least time.Duration) {
	t.Helper()
	require.GreaterOrEqual(t, got, least)
	require.Less(t, got, least+least/5+time.Millisecond)
}

func TestSlowAndSilentPayers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for member, pause := range map[string]time.Duration{availitysim.MemberSlow: 500 * time.Millisecond, availitysim.MemberNever: 2 * time.Second, availitysim.MemberStrange: 8 * time.Second} {
		res, err := f.Check(t.Context(), request(member))
		require.NoError(t, err)
		require.True(t, res.Pending, member)
		inside(t, res.RetryAfter, pause)
	}
	slow, err := f.Check(t.Context(), request(availitysim.MemberSlow))
	require.NoError(t, err)
	f.now.add(44 * time.Second)
	slow, err = f.Poll(t.Context(), slow.Handle)
	require.NoError(t, err)
	require.True(t, slow.Pending)
	inside(t, slow.RetryAfter, 8*time.Second)
	f.now.add(time.Second)
	slow, err = f.Poll(t.Context(), slow.Handle)
	require.NoError(t, err)
	require.False(t, slow.Pending)
	require.Equal(t, copay.CoverageActive, slow.Benefits.Status)

	for member, code := range map[string]string{availitysim.MemberSilent: "13", availitysim.MemberDown: "14", availitysim.MemberSystem: "15", availitysim.MemberBroken: "7"} {
		_, err := f.Check(t.Context(), request(member))
		e := requireKind(t, err, integrations.KindUnavailable)
		require.Equal(t, code, e.Code)
		require.Contains(t, e.Message, "payer")
	}
}

// A check that failed does not fail again for as long as its record lives.
func TestAFailureIsNotKept(t *testing.T) {
	t.Parallel()
	for _, member := range []string{availitysim.MemberSilent, availitysim.MemberRejected, availitysim.MemberInvalid} {
		f := setup(t)
		_, _ = f.Check(t.Context(), request(member))
		require.Zero(t, f.sim.Checks(), "it failed at once: its record is gone")
		require.Equal(t, 1, f.sim.Calls("DELETE /v1/coverages/{id}"))

		// It fails while it is polled: the record stays, since an attempt on
		// another worker may poll it, and the next check asks anew.
		slow := setupWith(t, availitysim.Config{Polls: 1}, nil)
		res, err := slow.Check(t.Context(), request(member))
		require.NoError(t, err)
		for range 3 {
			before := res.Handle
			if res, err = slow.Poll(t.Context(), before); err != nil {
				requireKind(t, err, integrations.KindUnavailable)
				res.Handle = before
			}
		}
		require.Zero(t, slow.sim.Calls("DELETE /v1/coverages/{id}"))
		slow.now.add(time.Minute)
		again, err := slow.Check(t.Context(), request(member))
		require.NoError(t, err)
		require.True(t, again.Pending, "the payer is asked anew")
		require.NotEqual(t, res.Handle, again.Handle)
		require.Equal(t, 1, slow.sim.Checks())
	}
}

func TestTheSameRequestTwiceIsOneCheck(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := f.benefits(availitysim.MemberCoPay)
	again := f.benefits(availitysim.MemberCoPay)
	require.Equal(t, first, again)
	require.Equal(t, 1, f.sim.Checks())
	require.NotEqual(t, first.TraceID, f.benefits(availitysim.MemberCoPay, service("UC")).TraceID)
	require.Equal(t, 2, f.sim.Checks(), "another service is another check")
	f.now.add(25 * time.Hour)
	require.NotEqual(t, first.TraceID, f.benefits(availitysim.MemberCoPay).TraceID, "the record has expired")
}

func TestRejectedRequests(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for member, says := range map[string]string{
		availitysim.MemberRejected: "check memberId, patientBirthDate in the EHR",
		availitysim.MemberUnsent:   "check insurance and member id in the EHR",
		availitysim.MemberInvalid:  "could not be read",
	} {
		b := f.benefits(member)
		require.Equal(t, copay.CoverageUnknown, b.Status)
		require.Contains(t, b.Problem, says)
		require.NotEmpty(t, b.TraceID)
		require.Equal(t, f.now.get(), b.CheckedAt)
		harmless(t, b.Problem)
	}
}

// What a payer requires is checked before anything is sent, and remembered.
func TestMissingFieldsAreNamedBeforeSending(t *testing.T) {
	t.Parallel()
	f := setup(t)
	blank := func(clear func(*integrations.EligibilityRequest)) integrations.EligibilityRequest {
		return request(availitysim.MemberCoPay, clear)
	}
	strict := func(change func(*integrations.EligibilityRequest)) integrations.EligibilityRequest {
		return request(availitysim.MemberCoPay, payer(availitysim.PayerStrict), change)
	}
	for name, x := range map[string]struct {
		r    integrations.EligibilityRequest
		says string
	}{
		"payer":       {blank(payer("")), "payerId; complete it in the EHR"},
		"date":        {blank(func(r *integrations.EligibilityRequest) { r.On = "" }), "asOfDate; complete"},
		"birth date":  {blank(func(r *integrations.EligibilityRequest) { r.Patient.BirthDate = "" }), "patientBirthDate; complete it in the EHR"},
		"two of them": {blank(func(r *integrations.EligibilityRequest) { r.Patient.LastName, r.Insurance.MemberID = "", "" }), "memberId, patientLastName; complete"},
		"who asks":    {blank(func(r *integrations.EligibilityRequest) { r.ProviderNPI = "" }), "provider_npi; set it in the practice's configuration"},
		"both sorts": {blank(func(r *integrations.EligibilityRequest) { r.ProviderNPI, r.Patient.BirthDate = "", "" }),
			"patientBirthDate; complete it in the EHR; the payer requires provider_npi; set it"},
		"gender, where the payer is strict": {strict(func(r *integrations.EligibilityRequest) { r.Patient.Gender = "" }), "patientGender; complete"},
		"a dependant's group":               {strict(func(r *integrations.EligibilityRequest) { r.Insurance.Relationship, r.Insurance.Group = "19", "" }), "groupNumber; complete"},
		"one of two ways": {strict(func(r *integrations.EligibilityRequest) {
			r.Patient.LastName, r.Insurance.MemberID, r.Patient.FirstName = "", "", "A"
		}),
			"memberId; complete"},
	} {
		res, err := f.Check(t.Context(), x.r)
		require.NoError(t, err, name)
		require.Contains(t, res.Benefits.Problem, x.says, name)
		require.Equal(t, copay.CoverageUnknown, res.Benefits.Status)
		harmless(t, res.Benefits.Problem)
	}
	require.Empty(t, f.wire.to("POST", "/v1/coverages"), "nothing was sent")
	for name, r := range map[string]integrations.EligibilityRequest{
		"the other way":                     strict(func(r *integrations.EligibilityRequest) { r.Patient.LastName = "" }),
		"the member himself needs no group": strict(func(r *integrations.EligibilityRequest) { r.Insurance.Group = "" }),
	} {
		res, err := f.Check(t.Context(), r)
		require.NoError(t, err)
		require.Empty(t, res.Benefits.Problem, name)
		require.Equal(t, copay.CoverageActive, res.Benefits.Status, name)
	}
	asked := func() (n int) {
		for _, x := range f.wire.to("GET", "/v1/configurations") {
			if x.status == 200 {
				n++
			}
		}
		return n
	}
	require.Equal(t, 2, asked(), "once a payer")
	f.now.add(25 * time.Hour)
	f.benefits(availitysim.MemberCoPay)
	require.Equal(t, 3, asked(), "and again after a day")
}

func TestRequirementsOutliveAnOutage(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.benefits(availitysim.MemberCoPay)
	f.now.add(25 * time.Hour)
	f.wire.once("/v1/configurations", 500, "")
	require.Contains(t, f.benefits(availitysim.MemberCoPay, func(r *integrations.EligibilityRequest) { r.Patient.BirthDate = "" }).Problem, "patientBirthDate")

	fresh := f.connect(nil)
	f.wire.once("/v1/configurations", 500, "")
	_, err := fresh.Check(t.Context(), request(availitysim.MemberCoPay))
	requireKind(t, err, integrations.KindUnavailable)

	// A payer without a published configuration requires nothing that we know of.
	f.wire.once("/v1/configurations", 404, "{}")
	res, err := fresh.Check(t.Context(), request(availitysim.MemberCoPay))
	require.NoError(t, err)
	require.Equal(t, copay.CoverageActive, res.Benefits.Status)
}

// A wrong scope would talk to live payers: what comes back is not even read.
func TestDemoRefusesLiveAnswers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	live, err := f.connect(map[string]any{"demo": false}).Check(t.Context(), request(availitysim.MemberCoPay))
	require.NoError(t, err, "the standard plan expects no mark")
	require.Equal(t, copay.CoverageActive, live.Benefits.Status)
	tokens := f.wire.to("POST", "/v1/token")
	require.Equal(t, "healthcare-hipaa-transactions healthcare-hipaa-transactions-standard", tokens[0].form.Get("scope"))

	for _, path := range []string{"/v1/configurations", "/v1/coverages"} {
		f.wire.set(nil, nil)
		c := f.connect(nil)
		_, err := c.TestConnection(t.Context())
		require.NoError(t, err)
		f.stripMark(path)
		res, err := c.Check(t.Context(), request(availitysim.MemberCoPay))
		e := requireKind(t, err, integrations.KindUnauthorized)
		require.Contains(t, e.Message, "live payers")
		require.Zero(t, res)
	}
	tokens = f.wire.to("POST", "/v1/token")
	require.Equal(t, "healthcare-hipaa-transactions healthcare-hipaa-transactions-demo", tokens[len(tokens)-1].form.Get("scope"))
}

// Nobody is billed by an answer that somebody made up.
func TestLiveRefusesMockAnswers(t *testing.T) {
	t.Parallel()
	c, err := availity.New(integrations.Settings{Practice: "lakeside", Platform: availity.Platform, RoundTripper: canned(`{"id":"1","statusCode":"4","plans":[{"statusCode":"1"}]}`),
		Options: map[string]any{"client_id": "c", "client_secret": "literal:s"}})
	require.NoError(t, err)
	res, err := c.Poll(t.Context(), "1")
	require.Contains(t, requireKind(t, err, integrations.KindUnauthorized).Message, "the answer is a mock")
	require.Zero(t, res)
}

func TestScenarioHeaderAndConcurrency(t *testing.T) {
	t.Parallel()
	f := setupWith(t, availitysim.Config{Polls: -1}, map[string]any{"scenario": "two-rows"})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			res, err := f.Check(t.Context(), request(availitysim.MemberCoPay))
			if err != nil || len(res.Benefits.CoPays) != 3 {
				t.Errorf("%v %v", res, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, f.sim.Checks())
	require.Equal(t, 1, f.sim.Calls("POST /v1/token"), "one token for all")
}

func TestConnectionTest(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"eligibility check"}, integrations.Capabilities((*availity.Connector)(nil)))
	f := setup(t)
	say, err := f.TestConnection(t.Context())
	require.NoError(t, err)
	require.Equal(t, "subscribed, demo plan; all 1 configured payers can be asked", say)
	say, err = f.connect(map[string]any{"payers": map[string]any{"1": "999", "2": availitysim.PayerB, "3": "999"}}).TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, say, "1 of 2 configured payers cannot be asked: 999")
	say, err = f.connect(map[string]any{"payers": nil, "demo": false}).TestConnection(t.Context())
	require.NoError(t, err)
	require.Equal(t, "subscribed, live payers", say)
	f.wire.once("/v1/availity-payer-list", 403, "{}")
	say, err = f.TestConnection(t.Context())
	require.NoError(t, err)
	require.Contains(t, say, "were not checked")
	_, err = f.connect(map[string]any{"client_secret": "literal:wrong-one"}).TestConnection(t.Context())
	e := requireKind(t, err, integrations.KindUnauthorized)
	require.NotContains(t, e.Error(), "wrong-one")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for name, x := range map[string]map[string]any{
		"client":     {"client_id": ""},
		"secret":     {"client_secret": nil},
		"pasted":     {"client_secret": "not-a-reference"},
		"base url":   {"base_url": "ftp://x"},
		"limit":      {"limit_per_second": -1},
		"day":        {"limit_per_day": -1},
		"timeout":    {"timeout": "-1s"},
		"typo":       {"payer": "x"},
		"payer":      {"payers": map[string]any{"1": ""}},
		"live mocks": {"demo": false, "scenario": "copay"},
	} {
		_, err := availity.New(integrations.Settings{Practice: "northside", Platform: "availity", Options: f.options(x)})
		require.Error(t, err, name)
		require.True(t, strings.Contains(err.Error(), "northside") || name == "base url", err)
		harmless(t, err.Error())
	}
	c, err := availity.New(integrations.Settings{Practice: "northside", Options: map[string]any{"client_id": "a", "client_secret": "literal:b"}})
	require.NoError(t, err)
	require.NotNil(t, c)
}
