package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/copay"
)

// Search attributes are plain text in Temporal: few, opaque, never PHI.
var (
	AttrPractice    = temporal.NewSearchAttributeKeyKeyword("CopayPractice")
	AttrState       = temporal.NewSearchAttributeKeyKeyword("CopayState")
	AttrRail        = temporal.NewSearchAttributeKeyKeyword("CopayRail")
	AttrEHR         = temporal.NewSearchAttributeKeyKeyword("CopayEHR")
	AttrBucket      = temporal.NewSearchAttributeKeyKeyword("CopayAmountBucket")
	AttrServiceDate = temporal.NewSearchAttributeKeyTime("CopayServiceDate")
	AttrReview      = temporal.NewSearchAttributeKeyBool("CopayNeedsReview")
)

// StartAttributes are what a co-pay is found by from its first moment.
func StartAttributes(k copay.Key) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(AttrPractice.ValueSet(string(k.Practice)), AttrEHR.ValueSet(string(k.EHR)),
		AttrState.ValueSet(string(copay.StateReceived)), AttrReview.ValueSet(false))
}

// published says whether a state is worth an upsert, each of which is a
// history event: where a co-pay rests, not what it passes through.
func published(s copay.State) bool {
	switch s {
	case copay.StateAwaitingPayment, copay.StateNeedsReview, copay.StateDisputed, copay.StateReturned:
		return true
	}
	return s.Closed()
}

// publish brings the search attributes in line when the co-pay comes to rest
// and they are not what they were.
func (c *coPay) publish(ctx workflow.Context) error {
	if !published(c.p.State) {
		return nil
	}
	now, same := workflow.GetTypedSearchAttributes(ctx), true
	up := []temporal.SearchAttributeUpdate{AttrReview.ValueSet(c.p.State == copay.StateNeedsReview)}
	for _, a := range []struct {
		key  temporal.SearchAttributeKeyKeyword
		want string
	}{{AttrState, string(c.p.State)}, {AttrBucket, bucket(c.p.Amounts.Requested)}, {AttrRail, string(c.p.Rail)}} {
		if have, _ := now.GetKeyword(a.key); have == a.want {
			continue
		}
		same = false
		up = append(up, a.key.ValueSet(a.want))
	}
	if same {
		return nil
	}
	if d := c.p.ServiceDate.In(time.UTC); !d.IsZero() {
		up = append(up, AttrServiceDate.ValueSet(d))
	}
	return workflow.UpsertTypedSearchAttributes(ctx, up...)
}

// bucket is an amount's order of magnitude.
func bucket(m copay.Money) string {
	switch {
	case m.Minor <= 0:
		return "0"
	case m.Minor <= 25_00:
		return "1-25"
	case m.Minor <= 50_00:
		return "26-50"
	case m.Minor <= 100_00:
		return "51-100"
	case m.Minor <= 250_00:
		return "101-250"
	}
	return "251+"
}
