package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/copayflow/copayflow/activities"
	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

// send puts one round of messages on its way: the request on all channels
// together, a reminder or a notice on the first one that works. Each send
// decides again, at its moment, whether it may still go out.
func (c *coPay) send(ctx workflow.Context, d copay.ReminderDecision) error {
	if c.cardFailed() && d.Template != copay.TemplateCardNotice && !c.told(copay.TemplateCardFailed) {
		d.Template = copay.TemplateCardFailed
	}
	if d.Template == copay.TemplateReminder && !c.told(copay.TemplateRequest) && !c.told(copay.TemplateCardFailed) {
		d.Template = copay.TemplateRequest // only a card was spoken of until now
	}
	together := len(d.Channels)
	if d.Template == copay.TemplateReminder || d.Template == copay.TemplateCardNotice {
		together = 1
	}
	sent, refused := 0, 0
	var why activities.Failure // of the last that was refused
	for list := d.Channels; len(list) > 0 && sent == 0 && c.p.State == copay.StateAwaitingPayment; list = list[min(together, len(list)):] {
		n, failed, err := c.sendOn(ctx, d, list[:min(together, len(list))])
		if err != nil {
			return err
		}
		sent += n
		for _, why = range failed {
			refused++
		}
	}
	if refused > 0 && refused == len(d.Channels) && c.p.State == copay.StateAwaitingPayment && c.rules >= rulesOfQuestions { // nothing goes out before people mend that
		return c.ask(ctx, copay.Review{Kind: copay.ReviewConfig, Of: copay.ReviewNoContact, Back: copay.StateAwaitingPayment,
			Message: "The message platforms refuse our credentials, so the patient was not written to; mend the connection and try again. " + why.Message,
			Choices: []copay.Choice{copay.ChoiceRetry, copay.ChoiceWriteOff, copay.ChoiceWaive, copay.ChoiceCancel}})
	}
	c.forced, c.wished, c.hold = false, false, sent == 0 && c.p.State == copay.StateAwaitingPayment
	return nil
}

// sendOn sends on some channels at once and counts what went out; refused are
// those whose platform does not take our credentials.
func (c *coPay) sendOn(ctx workflow.Context, d copay.ReminderDecision, channels []copay.Channel) (sent int, refused []activities.Failure, err error) {
	futures := make([]workflow.Future, len(channels))
	var asked copay.PaymentID // whose truth is read before the message goes out
	for i, ch := range channels {
		c.p.Counters.Rounds++
		in := activities.NotifyInput{PlanInput: c.planInput(), Channel: ch, Template: d.Template, Round: d.Round,
			Amount: c.p.Amounts.Outstanding(), Visit: c.p.ServiceDate, Since: workflow.Now(ctx),
			Ref: copay.NewRef(c.p.ID, copay.EffectNotify, c.p.Counters.Rounds)}
		if open := c.openPayment(); open != nil && (d.Round > 0 || len(c.p.Earlier) > 0) {
			asked = open.ID
			in.Open = new(*open)
		}
		summary := fmt.Sprintf("%s by %s (round %d)", d.Template, ch, d.Round)
		futures[i] = workflow.ExecuteActivity(workflow.WithScheduleToStartTimeout(c.platform(ctx, portOf(ch), summary), patience-time.Second), steps.Notify, in)
	}
	for i, f := range futures {
		var got activities.Notified
		if err := c.attend(ctx, f); err != nil {
			return sent, refused, err
		}
		if err := f.Get(ctx, &got); err != nil {
			if ctx.Err() != nil {
				return sent, refused, ctx.Err()
			}
			failed := activities.FailureOf(err)
			if failed.Kind == integrations.KindUnauthorized {
				refused = append(refused, failed)
			}
			got.Why, got.Unconfirmed = failed.Message, failed.Kind == integrations.KindUnknown && !neverStarted(err)
		}
		if got.Payment != nil {
			c.apply(ctx, c.payment(asked), *got.Payment)
		}
		if got.Unconfirmed && c.rules >= rulesOfPeople {
			sent++
			c.p.Reminders = append(c.p.Reminders, copay.SentMessage{At: c.clock(ctx), Channel: channels[i], Template: d.Template, Round: d.Round, Unconfirmed: true})
			c.note(copay.System(), "not_confirmed", string(channels[i])+" may have gone out or not, and is not sent again: "+got.Why, "")
			continue
		}
		if !got.Sent {
			c.note(copay.System(), "not_sent", string(channels[i])+" not sent: "+got.Why, "")
			continue
		}
		sent++
		c.p.Reminders = append(c.p.Reminders, copay.SentMessage{At: got.At, Channel: channels[i], Template: d.Template, Round: d.Round})
		c.note(platformOrUs(got.Platform), "sent", fmt.Sprintf("%s sent by %s", strings.ReplaceAll(string(d.Template), "_", " "), channels[i]), "")
	}
	return sent, refused, nil
}

// neverStarted reports that no worker has taken a step up.
func neverStarted(err error) bool {
	var to *temporal.TimeoutError
	var app *temporal.ApplicationError
	return errors.As(err, &to) && to.TimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_START && !errors.As(err, &app)
}

// changeAttend marks runs that look at what arrives while a message is sent.
const changeAttend = "attend-while-sending"

// attend waits for a message to be sent or not, and records what arrives
// meanwhile: a message that is tried again is decided by it.
func (c *coPay) attend(ctx workflow.Context, f workflow.Future) error {
	for !f.IsReady() {
		if err := workflow.Await(ctx, func() bool { return f.IsReady() || c.interrupted() }); err != nil {
			return err
		}
		if f.IsReady() || !c.follows(ctx, changeAttend) {
			break
		}
		if err := c.drain(ctx); err != nil {
			return err
		}
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func portOf(ch copay.Channel) string {
	if ch == copay.ChannelEmail {
		return PortEmail
	}
	return PortSMS
}

// cardFailed reports whether a stored card was tried and did not work; one
// that may not be tried any more, because the patient said so, did not fail.
func (c *coPay) cardFailed() bool {
	for i := range c.p.Payments {
		if p := &c.p.Payments[i]; p.Rail == copay.RailCard && p.Status == copay.PaymentFailed && p.Decline != copay.DeclineNoConsent {
			return true
		}
	}
	return false
}

func (c *coPay) told(t copay.Template) bool {
	is := func(m copay.SentMessage) bool { return m.Template == t }
	return slices.ContainsFunc(c.p.Reminders, is) || slices.ContainsFunc(c.p.Earlier, is)
}
