package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
)

// keeping is the consent to keep a card as it counts: where the practice
// charges stored cards, given by the patient, now.
func (c *coPay) keeping(ctx workflow.Context, said *copay.CardConsent) *copay.CardConsent {
	if said == nil || !c.in.Policy.CardOnFile || c.p.Patient == "" {
		return nil
	}
	keep := *said
	keep.GivenAt, keep.RecordedBy = workflow.Now(ctx), copay.Patient().ID
	return &keep
}

// keepCards records what patients agreed to on the page they paid on. It is
// a courtesy: when it fails the patient is asked again at the next visit, and
// nothing waits for it.
func (c *coPay) keepCards(ctx workflow.Context) {
	for i := range c.p.Payments {
		p := &c.p.Payments[i]
		if p.Keep == nil || p.Kept || p.Status != copay.PaymentCaptured {
			continue
		}
		p.Kept = true
		var got activities.KeptCard
		err := workflow.ExecuteActivity(c.promptly(ctx, PortCollect, "keep the card as the patient agreed"), steps.KeepCard,
			activities.PaymentInput{Key: c.p.Key, Payment: *p, Patient: c.p.Patient}).Get(ctx, &got)
		switch {
		case err != nil:
			c.note(copay.System(), "card_not_kept", "the card could not be kept: "+activities.FailureOf(err).Message, "")
		case got.WhyNot != "":
			c.note(copay.System(), "card_not_kept", "the card was not kept: "+got.WhyNot, "")
		default:
			c.note(copay.Patient(), "card_kept", "the patient agreed that the "+got.Brand+" ending in "+got.Last4+" is kept, to be charged at most "+
				p.Keep.Cap.String()+" at a time until "+p.Keep.Until.Format("2006-01-02"), "")
		}
	}
}
