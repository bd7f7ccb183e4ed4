package ledger

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
)

const sqlRemitted = `SELECT c.id, c.view, p.sealed FROM copays c LEFT JOIN patients p ON p.practice = c.practice AND p.copay_id = c.id
WHERE c.practice = $1 AND c.remitted
AND ($2::date IS NULL OR c.service_date >= $2)
AND ($3::date IS NULL OR c.service_date <= $3)`

// CompareEstimates compares a practice's estimates with the remittances that
// came for them, by payer and service, over the dates of service between from
// and to (both inclusive, both may be open). Co-pays and patients are opened one
// by one in memory, and only sums leave.
func (s *Store) CompareEstimates(ctx context.Context, practice copay.PracticeID, from, to copay.Date) ([]EstimateComparison, error) {
	// Read before the rows, which hold a connection while they are opened.
	if _, err := s.keys(ctx, practice); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, sqlRemitted, practice, day(from), day(to))
	if err != nil {
		return nil, translate("compare the estimates", err)
	}
	all := comparisons{}
	row := sealedRow{practice: practice}
	var patient []byte
	_, err = pgx.ForEachRow(rows, []any{&row.id, &row.view, &patient}, func() error {
		opened, err := s.unsealed(ctx, row)
		if err != nil {
			return err
		}
		c := opened.CoPay
		if c.Estimate == nil || !c.Estimate.Comparable() || c.Amounts.Adjudicated.Currency == "" {
			return nil
		}
		payer, err := s.payer(ctx, practice, row.id, patient)
		if err != nil {
			return err
		}
		all.add(payer, c)
		return nil
	})
	if err != nil {
		return nil, translate("compare the estimates", err)
	}
	return all.sorted(), nil
}

// payer is the first policy of a sealed patient without whose it is; nothing
// when there is none.
func (s *Store) payer(ctx context.Context, practice copay.PracticeID, id copay.ID, sealed []byte) (integrations.Insurance, error) {
	if sealed == nil { // nobody was kept
		return integrations.Insurance{}, nil
	}
	var p integrations.Patient
	if err := s.openJSON(ctx, practice, "patients", string(id), sealed, &p); err != nil || len(p.Insurance) == 0 {
		return integrations.Insurance{}, err
	}
	return integrations.Insurance{PayerID: p.Insurance[0].PayerID, PayerName: p.Insurance[0].PayerName}, nil
}

// comparisons are the sums so far.
type comparisons map[compared]*comparison

// compared is what co-pays are summed by. A payer goes by its id, since its name
// is written in many ways, and by its name where it has no id.
type compared struct {
	payer    string
	named    bool
	service  copay.ServiceType
	currency copay.Currency
}

type comparison struct {
	EstimateComparison
	off int64 // the sum of the differences without their signs
}

func (all comparisons) add(payer integrations.Insurance, c copay.CoPay) {
	estimated, adjudicated := c.Estimate.Amount, c.Amounts.Adjudicated
	diff, err := estimated.Sub(adjudicated)
	if err != nil {
		return // of two currencies, which nothing can compare
	}
	service := c.Service
	if c.Facts != nil {
		service = cmp.Or(c.Facts.Service, service)
	}
	key := compared{payer.PayerID, false, service, adjudicated.Currency}
	if payer.PayerID == "" {
		key.payer, key.named = payer.PayerName, true
	}
	sum := all[key]
	if sum == nil {
		none := copay.Money{Currency: adjudicated.Currency}
		sum = &comparison{EstimateComparison: EstimateComparison{PayerID: payer.PayerID, Service: service, Estimated: none, Adjudicated: none, OffBy: none}}
		all[key] = sum
	}
	// Of several names that one id has, the same is shown each time.
	if name := payer.PayerName; name != "" && (sum.Payer == "" || name < sum.Payer) {
		sum.Payer = name
	}
	sum.CoPays++
	sum.Estimated.Minor += estimated.Minor
	sum.Adjudicated.Minor += adjudicated.Minor
	switch {
	case diff.IsPositive():
		sum.High++
		sum.off += diff.Minor
	case diff.IsNegative():
		sum.Low++
		sum.off -= diff.Minor
	default:
		sum.Exact++
	}
}

// sorted are the rows by payer and service.
func (all comparisons) sorted() []EstimateComparison {
	out := make([]EstimateComparison, 0, len(all))
	for _, sum := range all {
		sum.OffBy.Minor = (sum.off + sum.CoPays/2) / sum.CoPays // half up
		sum.Payer = cmp.Or(sum.Payer, sum.PayerID)
		out = append(out, sum.EstimateComparison)
	}
	slices.SortFunc(out, func(a, b EstimateComparison) int {
		return cmp.Or(cmp.Compare(a.Payer, b.Payer), cmp.Compare(a.Service, b.Service), cmp.Compare(a.PayerID, b.PayerID),
			cmp.Compare(a.Adjudicated.Currency, b.Adjudicated.Currency))
	})
	return out
}
