package worker_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/config"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/worker"
	"github.com/copayflow/copayflow/workflows"
)

// The platforms of the tests: named after what they can do.
type (
	ehr struct {
		integrations.ChargeSource
		integrations.CoverageSource
		integrations.PaymentPoster
		integrations.EligibilityReader
		made integrations.Settings
	}
	payer struct {
		integrations.EligibilityChecker
		made integrations.Settings
	}
	cashier struct { // takes payments, stores no cards
		integrations.Collector
		made integrations.Settings
	}
	cardVault struct {
		integrations.Collector
		integrations.StoredCollector
		made integrations.Settings
	}
	books struct {
		integrations.Accounting
		made integrations.Settings
	}
	messenger struct {
		integrations.Notifier
		made integrations.Settings
	}
)

// Channel is mail for the mailer only.
func (m *messenger) Channel() copay.Channel {
	if m.made.Platform == "mailer" {
		return copay.ChannelEmail
	}
	return copay.ChannelSMS
}

// who finds the platform and the practice that a connector was made for.
func who(t *testing.T, connector any) (copay.Platform, copay.PracticeID) {
	t.Helper()
	switch c := connector.(type) {
	case *ehr:
		return c.made.Platform, c.made.Practice
	case *payer:
		return c.made.Platform, c.made.Practice
	case *cashier:
		return c.made.Platform, c.made.Practice
	case *cardVault:
		return c.made.Platform, c.made.Practice
	case *books:
		return c.made.Platform, c.made.Practice
	case *messenger:
		return c.made.Platform, c.made.Practice
	}
	require.FailNow(t, "a stranger", "%T", connector)
	return "", ""
}

func registry() integrations.Registry {
	return integrations.Registry{
		"ehr":       func(s integrations.Settings) (any, error) { return &ehr{made: s}, nil },
		"ehr2":      func(s integrations.Settings) (any, error) { return &ehr{made: s}, nil },
		"payer":     func(s integrations.Settings) (any, error) { return &payer{made: s}, nil },
		"payer2":    func(s integrations.Settings) (any, error) { return &payer{made: s}, nil },
		"cashier":   func(s integrations.Settings) (any, error) { return &cashier{made: s}, nil },
		"vault":     func(s integrations.Settings) (any, error) { return &cardVault{made: s}, nil },
		"books":     func(s integrations.Settings) (any, error) { return &books{made: s}, nil },
		"texter":    func(s integrations.Settings) (any, error) { return &messenger{made: s}, nil },
		"texter2":   func(s integrations.Settings) (any, error) { return &messenger{made: s}, nil },
		"mailer":    func(s integrations.Settings) (any, error) { return &messenger{made: s}, nil },
		"not set":   func(integrations.Settings) (any, error) { return nil, errors.New("hunter2 is not a key") },
		"not set 2": func(integrations.Settings) (any, error) { return nil, errors.New("hunter2 is not a key") },
	}
}

type portMap = map[string][]copay.Platform

// portsOf are the ports of maple with this configuration, beside another
// practice whose platforms must never be found.
func portsOf(p portMap) activities.Ports {
	all := map[copay.Platform]map[string]any{}
	for name := range registry() {
		all[name] = nil
	}
	oak := portMap{"eligibility": {"payer2"}, "collect": {"vault"}, "accounting": {"books"}, "sms": {"texter2"}, "email": {"mailer"}}
	return worker.NewPorts(integrations.NewDirectory(registry(), []integrations.PracticePlatforms{
		{ID: "maple", Platforms: all, Ports: p}, {ID: "oak", Platforms: all, Ports: oak},
		{ID: "elm", Platforms: map[copay.Platform]map[string]any{"ehr": nil}},
	}, integrations.Settings{}))
}

// Each lookup gives the platform that would be used.
var lookups = map[string]func(p activities.Ports, practice copay.PracticeID, platform copay.Platform) (copay.Platform, any, error){
	"collect": func(p activities.Ports, practice copay.PracticeID, platform copay.Platform) (copay.Platform, any, error) {
		return found(p.Collector(practice, platform))
	},
	"stored": func(p activities.Ports, practice copay.PracticeID, platform copay.Platform) (copay.Platform, any, error) {
		return found(p.Stored(practice, platform))
	},
	"sms": func(p activities.Ports, practice copay.PracticeID, _ copay.Platform) (copay.Platform, any, error) {
		return found(p.Notifier(practice, copay.ChannelSMS))
	},
	"email": func(p activities.Ports, practice copay.PracticeID, _ copay.Platform) (copay.Platform, any, error) {
		return found(p.Notifier(practice, copay.ChannelEmail))
	},
	"books": func(p activities.Ports, practice copay.PracticeID, _ copay.Platform) (copay.Platform, any, error) {
		return found(p.Books(practice))
	},
}

func found[T any](platform copay.Platform, c T, err error) (copay.Platform, any, error) {
	return platform, c, err
}

func TestThePracticesFirstPlatformThatWorksServesAPort(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lookup string
		ports  portMap
		want   copay.Platform
	}{
		"the first":                               {"collect", portMap{"collect": {"cashier", "vault"}}, "cashier"},
		"in the order of the configuration":       {"collect", portMap{"collect": {"vault", "cashier"}}, "vault"},
		"not one that is not set up":              {"collect", portMap{"collect": {"not set", "vault", "cashier"}}, "vault"},
		"nor one that cannot collect":             {"collect", portMap{"collect": {"books", "cashier"}}, "cashier"},
		"a stored card needs a place that has it": {"stored", portMap{"collect": {"cashier", "vault"}}, "vault"},
		"texts":                                    {"sms", portMap{"sms": {"texter", "texter2"}, "email": {"mailer"}}, "texter"},
		"texts, the first is not set up":           {"sms", portMap{"sms": {"not set", "texter2"}}, "texter2"},
		"mail goes another way than texts":         {"email", portMap{"sms": {"texter"}, "email": {"mailer"}}, "mailer"},
		"the books":                                {"books", portMap{"accounting": {"not set", "books"}}, "books"},
		"a port does not lend platforms to others": {"sms", portMap{"collect": {"vault"}, "sms": {"texter"}}, "texter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			platform, c, err := lookups[tc.lookup](portsOf(tc.ports), "maple", "")
			require.NoError(t, err)
			require.Equal(t, tc.want, platform)
			made, practice := who(t, c)
			require.Equal(t, tc.want, made, "the name and the connector belong together")
			require.Equal(t, copay.PracticeID("maple"), practice, "with the practice's own credentials")
		})
	}
}

// A payment is looked after where it was asked for, whatever the order says
// today: another processor does not know it.
func TestANamedPlatformIsNeverReplaced(t *testing.T) {
	t.Parallel()
	p := portsOf(portMap{"collect": {"cashier", "vault"}})
	for _, platform := range []copay.Platform{"cashier", "vault"} {
		got, c, err := p.Collector("maple", platform)
		require.NoError(t, err)
		require.Equal(t, platform, got)
		made, _ := who(t, c)
		require.Equal(t, platform, made)
	}
	_, c, err := portsOf(portMap{"collect": {"cashier"}}).Collector("maple", "vault")
	require.NoError(t, err, "taken out of the port, it still settles what it began")
	made, _ := who(t, c)
	require.Equal(t, copay.Platform("vault"), made)

	_, _, err = p.Collector("maple", "not set")
	require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err), "it waits to be mended; nobody else takes over")
	_, _, err = p.Stored("maple", "cashier")
	require.Equal(t, copay.CodePrecondition, copay.CodeOf(err), "it stores no cards")
	_, _, err = p.Collector("elm", "vault")
	require.Equal(t, copay.CodeNotFound, copay.CodeOf(err), "the practice has none")
}

func TestEligibilityIsAskedInThePracticesOrder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		platforms []copay.Platform
		want      []string
	}{
		"the payer, then the EHR":                  {[]copay.Platform{"payer", "ehr"}, []string{"payer asks", "ehr reads"}},
		"the EHR first":                            {[]copay.Platform{"ehr", "payer"}, []string{"ehr reads", "payer asks"}},
		"two payers":                               {[]copay.Platform{"payer2", "payer"}, []string{"payer2 asks", "payer asks"}},
		"the first is not set up":                  {[]copay.Platform{"not set", "payer2", "ehr"}, []string{"payer2 asks", "ehr reads"}},
		"the last is not set up":                   {[]copay.Platform{"payer", "not set"}, []string{"payer asks"}},
		"one that cannot do it is no reason to go": {[]copay.Platform{"books", "ehr"}, []string{"ehr reads"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := portsOf(portMap{"eligibility": tc.platforms}).Eligibility("maple")
			require.NoError(t, err)
			var got []string
			for _, e := range list {
				var c any = e.Checker
				how := " asks"
				if e.Checker == nil {
					c, how = e.Reader, " reads"
				}
				made, practice := who(t, c)
				require.Equal(t, e.Platform, made)
				require.Equal(t, copay.PracticeID("maple"), practice)
				got = append(got, string(e.Platform)+how)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestTheEHROfAChargeServesIt(t *testing.T) {
	t.Parallel()
	p := portsOf(portMap{"charges": {"ehr", "ehr2"}, "post": {"ehr"}})
	for name, get := range map[string]func(copay.PracticeID, copay.Platform) (any, error){
		"charges":  func(id copay.PracticeID, e copay.Platform) (any, error) { return p.Charges(id, e) },
		"coverage": func(id copay.PracticeID, e copay.Platform) (any, error) { return p.Coverage(id, e) },
		"posting":  func(id copay.PracticeID, e copay.Platform) (any, error) { return p.Poster(id, e) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, e := range []copay.Platform{"ehr", "ehr2"} {
				c, err := get("maple", e)
				require.NoError(t, err)
				made, practice := who(t, c)
				require.Equal(t, e, made, "a charge is looked up and posted where it is")
				require.Equal(t, copay.PracticeID("maple"), practice)
			}
			_, err := get("maple", "payer")
			require.Equal(t, copay.CodePrecondition, copay.CodeOf(err), "no EHR")
			_, err = get("elm", "ehr2")
			require.Equal(t, copay.CodeNotFound, copay.CodeOf(err), "not this practice's")
			_, err = get("maple", "not set")
			require.Equal(t, integrations.KindUnauthorized, integrations.KindOf(err))
		})
	}
}

// Who has no platform is told what to mend, and never gets a neighbour's.
func TestAPortWithoutPlatformSaysWhatToMend(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		practice copay.PracticeID
		ports    portMap
		lookup   string
		code     copay.Code
		kind     integrations.Kind
		text     string
	}{
		"nothing collects":          {practice: "maple", lookup: "collect", kind: integrations.KindUnauthorized, text: `no platform for "collect"`},
		"no books":                  {practice: "maple", lookup: "books", kind: integrations.KindUnauthorized, text: `no platform for "accounting"`},
		"no texts":                  {practice: "maple", lookup: "sms", kind: integrations.KindUnauthorized, text: `no platform for "sms"`},
		"no mail":                   {practice: "maple", lookup: "email", ports: portMap{"sms": {"texter"}}, kind: integrations.KindUnauthorized, text: `no platform for "email"`},
		"all are not set up":        {practice: "maple", lookup: "collect", ports: portMap{"collect": {"not set", "not set 2"}}, kind: integrations.KindUnauthorized, text: "not set up"},
		"only one that cannot":      {practice: "maple", lookup: "books", ports: portMap{"accounting": {"vault"}}, code: copay.CodePrecondition, text: `"vault" cannot do this`},
		"nobody stores cards":       {practice: "maple", lookup: "stored", ports: portMap{"collect": {"cashier"}}, code: copay.CodePrecondition, text: `"cashier" cannot do this`},
		"a practice there is not":   {practice: "birch", lookup: "collect", code: copay.CodeNotFound, text: `"birch" is not configured`},
		"a practice without ports":  {practice: "elm", lookup: "books", kind: integrations.KindUnauthorized, text: "practice elm"},
		"a practice without a name": {practice: "", lookup: "sms", code: copay.CodeNotFound, text: "not configured"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, c, err := lookups[tc.lookup](portsOf(tc.ports), tc.practice, "")
			require.ErrorContains(t, err, tc.text)
			require.Nil(t, c)
			require.NotContains(t, err.Error(), "hunter2", "causes may quote credentials")
			if tc.code != "" {
				require.Equal(t, tc.code, copay.CodeOf(err))
			} else {
				require.Equal(t, tc.kind, integrations.KindOf(err))
			}
		})
	}
	for name, tc := range map[string]struct {
		practice copay.PracticeID
		ports    portMap
		text     string
	}{
		"no platform":          {"maple", portMap{}, `no platform for "eligibility"`},
		"none that can":        {"maple", portMap{"eligibility": {"books", "vault"}}, "no configured platform of practice maple can check eligibility"},
		"none that is set up":  {"maple", portMap{"eligibility": {"not set"}}, "not set up"},
		"no practice":          {"birch", portMap{}, `"birch" is not configured`},
		"another one's is not": {"elm", portMap{}, `no platform for "eligibility"`},
	} {
		t.Run("eligibility, "+name, func(t *testing.T) {
			t.Parallel()
			list, err := portsOf(tc.ports).Eligibility(tc.practice)
			require.ErrorContains(t, err, tc.text)
			require.Empty(t, list)
		})
	}
}

// What workflows and activities call a port is what the configuration calls it.
func TestPortsHaveOneNameEach(t *testing.T) {
	t.Parallel()
	var known []string
	for _, p := range config.Ports {
		known = append(known, p.Name)
	}
	for _, name := range []string{workflows.PortEHR, workflows.PortEligibility, workflows.PortCollect, workflows.PortPost, workflows.PortAccounting, workflows.PortSMS, workflows.PortEmail} {
		require.Contains(t, known, name)
	}
}

func TestAPortOfMessagesNeedsItsChannel(t *testing.T) {
	t.Parallel()
	_, _, err := portsOf(portMap{"sms": {"mailer"}}).Notifier("maple", copay.ChannelSMS)
	require.Equal(t, copay.CodePrecondition, copay.CodeOf(err))
	require.ErrorContains(t, err, "ports.sms names mailer, which sends by email")
}
