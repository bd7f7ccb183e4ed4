package ledger

import (
	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
)

// What an object at a platform is.
const (
	refPayment  = "payment"
	refRefund   = "refund"
	refPosting  = "posting"
	refReversal = "reversal"
)

type objectRef struct {
	platform copay.Platform
	kind     string
	object   string
}

// objectsOf lists the objects at platforms that webhooks may name and that a
// co-pay knows of.
func objectsOf(c copay.CoPay) []objectRef {
	var refs []objectRef
	add := func(p copay.Platform, kind, object string) {
		if object != "" {
			refs = append(refs, objectRef{p, kind, object})
		}
	}
	processor := map[copay.PaymentID]copay.Platform{}
	for _, p := range c.Payments {
		processor[p.ID] = p.Platform
		if !p.Rail.Manual() {
			add(p.Platform, refPayment, p.PlatformID)
		}
		add(c.Key.EHR, refPosting, p.PostedID)
	}
	for _, r := range c.Refunds {
		if processor[r.Payment] != "" {
			add(processor[r.Payment], refRefund, r.PlatformID)
		}
		add(c.Key.EHR, refReversal, r.ReversedID)
	}
	return refs
}

const sqlAddRefs = `INSERT INTO payment_refs (practice, platform, kind, object, copay_id)
SELECT $1, p, k, o, $2 FROM unnest($3::text[], $4::text[], $5::text[]) AS r (p, k, o) ON CONFLICT DO NOTHING`

func queueRefs(b *pgx.Batch, c copay.CoPay) {
	refs := objectsOf(c)
	if len(refs) == 0 {
		return
	}
	var platforms, kinds, objects []string
	for _, r := range refs {
		platforms, kinds, objects = append(platforms, string(r.platform)), append(kinds, r.kind), append(objects, r.object)
	}
	b.Queue(sqlAddRefs, c.Key.Practice, c.ID, platforms, kinds, objects)
}
