package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// verify reads the charge and its patient from the EHR and asks the payer
// what the plan covers.
func (c *coPay) verify(ctx workflow.Context) error {
	c.move(copay.StateVerifying, copay.System(), "reading charge, patient and coverage")
	c.stalePlan = false // what was heard until now is seen by what follows
	read, done, err := c.readCharge(ctx, "read the charge and its patient")
	if !done {
		return err
	}
	if err != nil {
		return c.troubled(ctx, err, "read the charge", copay.Review{Kind: copay.ReviewUnknownCharge,
			Message: "The EHR does not give us this charge; check it there, then try again or cancel. ",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceCancel}})
	}
	c.parked = 0
	c.learn(&read)
	if read.Deleted && c.kept() {
		return c.ask(ctx, copay.Review{Kind: copay.ReviewUnknownCharge,
			Message: "The charge is deleted in the EHR, and the money was to stay; enter the charge again and try again, waive the rest, or give the money back and cancel.",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceWaive, copay.ChoiceCancel}})
	}
	if read.Deleted {
		c.takeBack(copay.PlatformActor(c.p.Key.EHR), wasDeleted)
		return nil
	}
	if r, bad := c.doubtful(read); bad {
		return c.ask(ctx, r)
	}
	if read.Insured && !read.Facts.SelfPay {
		if done, err := c.checkEligibility(ctx); !done || err != nil {
			return err
		}
	}
	if c.p.State == copay.StateVerifying && !c.stalePlan {
		c.move(copay.StateEstimating, copay.System(), "coverage is known as far as it can be")
	}
	return nil
}

// readCharge reads charge, patient and insurance from the EHR into what is kept
// of them.
func (c *coPay) readCharge(ctx workflow.Context, why string) (read activities.ChargeRead, done bool, err error) {
	done, err = c.call(ctx, func(ctx workflow.Context) workflow.Future {
		return workflow.ExecuteActivity(c.platform(ctx, PortEHR, why), steps.ReadCharge, activities.ReadChargeInput{Key: c.p.Key})
	}, &read)
	return read, done, err
}

// askPayer asks what the plan covers, taking an answer up to fresh old from the
// cache.
func (c *coPay) askPayer(ctx workflow.Context, fresh time.Duration) (got activities.Checked, done bool, err error) {
	done, err = c.call(ctx, func(ctx workflow.Context) workflow.Future {
		return workflow.ExecuteActivity(c.payer(ctx, "check eligibility with the payer"), steps.CheckEligibility,
			activities.CheckInput{Key: c.p.Key, Appointment: c.p.Appointment, Service: c.p.Service, On: c.p.ServiceDate, Fresh: fresh})
	}, &got)
	return got, done, err
}

// learn takes over what the EHR says.
func (c *coPay) learn(read *activities.ChargeRead) {
	read.Facts.SelfPay = read.Facts.SelfPay || c.p.SelfPay // a person's decision stands
	c.p.Facts = &read.Facts
	c.p.Insured = read.Insured
	c.p.Patient, c.p.Provider, c.p.Appointment = read.Patient, read.Provider, read.Appointment
	c.p.Service, c.p.ServiceDate = read.Facts.Service, read.Facts.ServiceDate
	c.p.Amounts.Billed = read.Facts.Billed
}

// doubtful is the review a charge needs before anything is worked out.
func (c *coPay) doubtful(read activities.ChargeRead) (copay.Review, bool) {
	billed := read.Facts.Billed
	switch {
	case billed.Currency == "":
		return copay.Review{Kind: copay.ReviewAmount, Message: "The charge has no amount yet; enter it in the EHR.",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceCancel}}, true
	case !billed.Currency.Supported():
		return copay.Review{Kind: copay.ReviewAmount, Message: "The charge is in a currency that is not supported; correct it in the EHR.",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceCancel}}, true
	case billed.IsNegative():
		return copay.Review{Kind: copay.ReviewAmount, Message: "The charge has a negative amount; correct it in the EHR.",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceCancel}}, true
	case !read.Insured && !read.Facts.SelfPay && !c.p.Override:
		return copay.Review{Kind: copay.ReviewNoCoverage,
			Message: "No insurance is on file and the patient is not marked as self-pay; complete the record and try again, or decide how to go on.",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceSelfPay, copay.ChoiceSetAmount, copay.ChoiceWaive, copay.ChoiceCancel}}, true
	}
	return copay.Review{}, false
}

// checkEligibility asks the payer within the practice's deadline. A payer that
// cannot be reached does not stop the co-pay: the estimate says how sure it is.
func (c *coPay) checkEligibility(ctx workflow.Context) (bool, error) {
	fresh := c.in.Policy.EligibilityFresh
	if c.p.AskPayer {
		fresh = 0
	}
	got, done, err := c.askPayer(ctx, fresh)
	if !done {
		return false, err
	}
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		f := activities.FailureOf(err)
		if f.Kind == integrations.KindUnauthorized {
			return false, c.troubled(ctx, err, "check eligibility", copay.Review{Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceSetAmount, copay.ChoiceCancel}})
		}
		c.note(copay.System(), "eligibility", "no answer from the payer: "+f.Message, "")
		return true, nil
	}
	c.p.AskPayer = c.p.AskPayer && c.stalePlan // news came while the payer was asked
	c.note(copay.PlatformActor(got.Source), "eligibility", "coverage is "+string(got.Status), "")
	if got.Status == copay.CoverageInactive && !c.p.Override {
		return false, c.ask(ctx, copay.Review{Kind: copay.ReviewInactive,
			Message: "The payer says that the plan is not active on the date of service; ask the patient for the present insurance, then try again, or decide how to go on.",
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceSelfPay, copay.ChoiceSetAmount, copay.ChoiceWaive, copay.ChoiceCancel}})
	}
	return true, nil
}
