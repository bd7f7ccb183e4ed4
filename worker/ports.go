package worker

import (
	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/workflows"
)

// ports serves the activities from the directory of connectors.
type ports struct{ d *integrations.Directory }

// NewPorts finds connectors for the activities.
func NewPorts(d *integrations.Directory) activities.Ports { return ports{d} }

func (p ports) Charges(practice copay.PracticeID, ehr copay.Platform) (integrations.ChargeSource, error) {
	return integrations.As[integrations.ChargeSource](p.d, practice, ehr)
}

func (p ports) Coverage(practice copay.PracticeID, ehr copay.Platform) (integrations.CoverageSource, error) {
	return integrations.As[integrations.CoverageSource](p.d, practice, ehr)
}

func (p ports) Poster(practice copay.PracticeID, ehr copay.Platform) (integrations.PaymentPoster, error) {
	return integrations.As[integrations.PaymentPoster](p.d, practice, ehr)
}

// Eligibility lists who can say what a plan covers, those that ask the payer
// and those that read the EHR's last check alike, in the practice's order.
func (p ports) Eligibility(practice copay.PracticeID) ([]activities.Eligibility, error) {
	all, err := integrations.Get[any](p.d, practice, workflows.PortEligibility)
	if err != nil {
		return nil, err
	}
	var out []activities.Eligibility
	for _, n := range all {
		e := activities.Eligibility{Platform: n.Platform}
		e.Checker, _ = n.Port.(integrations.EligibilityChecker)
		e.Reader, _ = n.Port.(integrations.EligibilityReader)
		if e.Checker != nil || e.Reader != nil {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, copay.Errorf(copay.CodePrecondition, "eligibility", "no configured platform of practice %s can check eligibility", practice)
	}
	return out, nil
}

// Collector is the platform a payment was asked at, or the practice's first.
func (p ports) Collector(practice copay.PracticeID, platform copay.Platform) (copay.Platform, integrations.Collector, error) {
	return named[integrations.Collector](p.d, practice, platform, workflows.PortCollect)
}

func (p ports) Stored(practice copay.PracticeID, platform copay.Platform) (copay.Platform, integrations.StoredCollector, error) {
	return named[integrations.StoredCollector](p.d, practice, platform, workflows.PortCollect)
}

func (p ports) Books(practice copay.PracticeID) (copay.Platform, integrations.Accounting, error) {
	return named[integrations.Accounting](p.d, practice, "", workflows.PortAccounting)
}

func (p ports) Notifier(practice copay.PracticeID, c copay.Channel) (copay.Platform, integrations.Notifier, error) {
	port := workflows.PortSMS
	if c == copay.ChannelEmail {
		port = workflows.PortEmail
	}
	platform, n, err := named[integrations.Notifier](p.d, practice, "", port)
	if err == nil && n.Channel() != c {
		return "", nil, copay.Errorf(copay.CodePrecondition, "ports."+port, "practice %s: ports.%s names %s, which sends by %s", practice, port, platform, n.Channel())
	}
	return platform, n, err
}

func named[T any](d *integrations.Directory, practice copay.PracticeID, platform copay.Platform, port string) (copay.Platform, T, error) {
	if platform != "" {
		c, err := integrations.As[T](d, practice, platform)
		return platform, c, err
	}
	list, err := integrations.Get[T](d, practice, port)
	if err != nil {
		var none T
		return "", none, err
	}
	return list[0].Platform, list[0].Port, nil
}
