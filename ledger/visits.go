package ledger

import (
	"context"

	"github.com/copayflow/copayflow/copay"
)

const sqlClaimVisit = `INSERT INTO visits AS v (practice, ehr, appointment, service, copay_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (practice, ehr, appointment, service) DO UPDATE SET copay_id = CASE
  WHEN EXISTS (SELECT FROM copays c WHERE c.practice = v.practice AND c.id = v.copay_id AND c.state IN ('cancelled', 'refunded'))
  THEN excluded.copay_id ELSE v.copay_id END
RETURNING copay_id`

// ClaimVisit says which co-pay asks for a service of a visit: the first that
// claimed it, or key's where that one was cancelled or given back.
func (s *Store) ClaimVisit(ctx context.Context, key copay.Key, visit copay.AppointmentID, service copay.ServiceType) (copay.ID, error) {
	var owner copay.ID
	err := s.pool.QueryRow(ctx, sqlClaimVisit, key.Practice, key.EHR, visit, service, key.ID()).Scan(&owner)
	return owner, translate("claim the visit", err)
}
