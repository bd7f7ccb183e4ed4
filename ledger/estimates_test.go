package ledger_test

import (
	"database/sql"
	"fmt"
	"os"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/copayflow/copayflow/copay"
	"github.com/copayflow/copayflow/integrations"
	"github.com/copayflow/copayflow/internal/pgserver/pgtest"
	"github.com/copayflow/copayflow/ledger"
)

var (
	aetna = integrations.Insurance{PayerID: "60054", PayerName: "Aetna", MemberID: "W123"}
	cigna = integrations.Insurance{PayerID: "62308", PayerName: "Cigna", MemberID: "C77"}
)

// remitted is a record of a co-pay of which the payer has said what the patient
// owes.
func remitted(key copay.Key, estimated, owed int64) ledger.Record {
	r := step(key, 1, copay.StateSettled)
	c := &r.CoPay
	c.ServiceDate, c.Service, c.Patient = "2026-11-20", "98", "p-1"
	c.Estimate = &copay.Estimate{Kind: copay.EstimateOwed, Amount: copay.Cents(estimated), Confidence: 95, Flat: true}
	c.Amounts.Estimated, c.Amounts.Adjudicated = c.Estimate.Amount, copay.Cents(owed)
	r.Events = append(r.Events, ledger.TimelineEvent{Kind: "remittance", Actor: copay.System(), Summary: "the payer says"})
	return r
}

func (b bench) insured(t *testing.T, key copay.Key, policies ...integrations.Insurance) {
	t.Helper()
	p := patient()
	p.Insurance = policies
	require.NoError(t, b.PutPatient(t.Context(), key.Practice, key.ID(), p))
}

// compared is a row of the comparison.
func compared(payer, name string, service copay.ServiceType, copays, exact, high, low, estimated, owed, off int64) ledger.EstimateComparison {
	return ledger.EstimateComparison{PayerID: payer, Payer: name, Service: service, CoPays: copays, Exact: exact, High: high, Low: low,
		Estimated: copay.Cents(estimated), Adjudicated: copay.Cents(owed), OffBy: copay.Cents(off)}
}

func TestEstimatesAreComparedWithRemittances(t *testing.T) {
	type one struct {
		estimated, owed int64
		policies        []integrations.Insurance
		change          func(*copay.CoPay)
	}
	with := func(p ...integrations.Insurance) []integrations.Insurance { return p }
	kind := func(k copay.EstimateKind) func(*copay.CoPay) { return func(c *copay.CoPay) { c.Estimate.Kind = k } }
	b := setup(t)
	n := 0
	for name, tc := range map[string]struct {
		copays []one
		want   []ledger.EstimateComparison
	}{
		"nothing yet": {nil, []ledger.EstimateComparison{}},
		"exact, too high and too low": {[]one{{25_00, 25_00, with(aetna), nil}, {40_00, 25_00, with(aetna), nil}, {20_00, 30_00, with(aetna), nil}},
			[]ledger.EstimateComparison{compared("60054", "Aetna", "98", 3, 1, 1, 1, 85_00, 80_00, 8_33)}},
		"half a cent is rounded up": {[]one{{25_00, 25_00, with(aetna), nil}, {25_01, 25_00, with(aetna), nil}},
			[]ledger.EstimateComparison{compared("60054", "Aetna", "98", 2, 1, 1, 0, 50_01, 50_00, 1)}},
		"less than half is rounded down": {[]one{{25_00, 25_00, with(aetna), nil}, {25_00, 25_00, with(aetna), nil}, {25_00, 25_01, with(aetna), nil}},
			[]ledger.EstimateComparison{compared("60054", "Aetna", "98", 3, 2, 0, 1, 75_00, 75_01, 0)}},
		"by payer, then service": {[]one{{10, 10, with(cigna, aetna), nil}, {20, 20, with(aetna), func(c *copay.CoPay) { c.Service = "UC" }}, {30, 30, with(aetna), nil}},
			[]ledger.EstimateComparison{compared("60054", "Aetna", "98", 1, 1, 0, 0, 30, 30, 0), compared("60054", "Aetna", "UC", 1, 1, 0, 0, 20, 20, 0),
				compared("62308", "Cigna", "98", 1, 1, 0, 0, 10, 10, 0)}},
		"what the charge says of the service comes first": {[]one{{10, 10, with(aetna), func(c *copay.CoPay) { c.Facts = &copay.ChargeFacts{Service: "UC"} }},
			{10, 10, with(aetna), func(c *copay.CoPay) { c.Facts = &copay.ChargeFacts{} }}},
			[]ledger.EstimateComparison{compared("60054", "Aetna", "98", 1, 1, 0, 0, 10, 10, 0), compared("60054", "Aetna", "UC", 1, 1, 0, 0, 10, 10, 0)}},
		"one payer under two names": {[]one{{10, 10, with(integrations.Insurance{PayerID: "60054", PayerName: "AETNA US"}), nil}, {10, 10, with(aetna), nil}, {10, 10, with(integrations.Insurance{PayerID: "60054"}), nil}},
			[]ledger.EstimateComparison{compared("60054", "AETNA US", "98", 3, 3, 0, 0, 30, 30, 0)}},
		"two payers under one name": {[]one{{10, 10, with(aetna), nil}, {10, 20, with(integrations.Insurance{PayerID: "60055", PayerName: "Aetna"}), nil}},
			[]ledger.EstimateComparison{compared("60054", "Aetna", "98", 1, 1, 0, 0, 10, 10, 0), compared("60055", "Aetna", "98", 1, 0, 0, 1, 10, 20, 10)}},
		"without an id by name, without a name by id": {[]one{{10, 10, with(integrations.Insurance{PayerName: "Aetna"}), nil}, {10, 10, with(integrations.Insurance{PayerName: "Aetna"}), nil},
			{10, 10, with(integrations.Insurance{PayerID: "Aetna"}), nil}},
			[]ledger.EstimateComparison{compared("", "Aetna", "98", 2, 2, 0, 0, 20, 20, 0), compared("Aetna", "Aetna", "98", 1, 1, 0, 0, 10, 10, 0)}},
		"nobody's policy": {[]one{{10, 10, nil, nil}, {10, 10, with(), nil}},
			[]ledger.EstimateComparison{compared("", "", "98", 2, 2, 0, 0, 20, 20, 0)}},
		"nothing owed, as was thought or by a rule": {[]one{{0, 0, with(aetna), kind(copay.EstimateNothing)}, {0, 5_00, with(aetna), kind(copay.EstimateZeroByRule)},
			{0, 0, with(aetna), func(c *copay.CoPay) { c.Estimate.Amount = copay.Money{} }}},
			[]ledger.EstimateComparison{compared("60054", "Aetna", "98", 3, 2, 0, 1, 0, 5_00, 1_67)}},
		"what no remittance can tell": {[]one{
			{10, 20, with(aetna), kind(copay.EstimateSelfPay)}, {10, 20, with(aetna), kind(copay.EstimateUnknown)},
			{10, 20, with(aetna), func(c *copay.CoPay) { c.Estimate = nil }},
			{10, 20, with(aetna), func(c *copay.CoPay) { *c.Estimate = c.Estimate.AskedBy("cp_0000000000000000") }},
			{10, 20, with(aetna), func(c *copay.CoPay) { c.Amounts.Adjudicated = copay.Money{} }},
			{10, 20, with(aetna), func(c *copay.CoPay) { c.Estimate.Amount.Currency = "CAD" }}}, []ledger.EstimateComparison{}},
	} {
		practice := copay.PracticeID(fmt.Sprintf("practice-%d", n))
		n++
		for i, c := range tc.copays {
			key := keyOf(practice, fmt.Sprint("c-", i))
			r := remitted(key, c.estimated, c.owed)
			if c.change != nil {
				c.change(&r.CoPay)
			}
			b.record(t, r)
			if c.policies != nil {
				b.insured(t, key, c.policies...)
			}
		}
		got, err := b.CompareEstimates(t.Context(), practice, "", "")
		require.NoError(t, err, name)
		require.Equal(t, tc.want, got, name)
	}
}

func TestEstimatesAreComparedByDateOfService(t *testing.T) {
	b := setup(t)
	for i, date := range []copay.Date{"2026-11-01", "2026-11-02", "2026-11-03", ""} {
		r := remitted(keyOf(maple, fmt.Sprint("c-", i)), 10, 10)
		r.CoPay.ServiceDate = date
		b.record(t, r)
	}
	for name, tc := range map[string]struct {
		from, to copay.Date
		want     int64
	}{
		"open": {"", "", 4}, "from": {"2026-11-02", "", 2}, "to": {"", "2026-11-02", 2}, "one day": {"2026-11-02", "2026-11-02", 1}, "before": {"", "2026-10-31", 0},
	} {
		got, err := b.CompareEstimates(t.Context(), maple, tc.from, tc.to)
		require.NoError(t, err, name)
		sum := int64(0)
		for _, r := range got {
			sum += r.CoPays
		}
		require.Equal(t, tc.want, sum, name)
	}
	_, err := b.CompareEstimates(t.Context(), "Maple", "", "")
	requireCode(t, copay.CodeInvalid, err)
}

// What was sealed with older keys is compared, too, and what cannot be opened is
// no row less but an error.
func TestComparedEstimatesAreOpened(t *testing.T) {
	b := setup(t)
	for i := range 2 {
		key := keyOf(maple, fmt.Sprint("c-", i))
		b.record(t, remitted(key, 10, 10))
		b.insured(t, key, aetna)
		require.NoError(t, b.another(t).RotateDataKey(t.Context(), maple))
	}
	want := []ledger.EstimateComparison{compared("60054", "Aetna", "98", 2, 2, 0, 0, 20, 20, 0)}
	for _, s := range []*ledger.Store{b.Store, b.another(t)} {
		got, err := s.CompareEstimates(t.Context(), maple, "", "")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	b.exec(t, `UPDATE patients SET sealed = (SELECT sealed FROM patients WHERE copay_id = $1) WHERE copay_id <> $1`, keyOf(maple, "c-0").ID())
	_, err := b.CompareEstimates(t.Context(), maple, "", "")
	requireCode(t, copay.CodePrecondition, err)
}

// Rows of before the column know of their remittance by their timeline, unless
// the step that heard of it was lost.
func TestOlderRemittancesAreKnown(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DSN(t)
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	s, err := ledger.Open(t.Context(), ledger.Config{DSN: dsn, Keys: pgtest.Keys(t)})
	require.NoError(t, err)
	heard, lost, none := remitted(keyOf(maple, "c-1"), 10, 10), remitted(keyOf(maple, "c-2"), 10, 10), step(keyOf(maple, "c-3"), 1, copay.StateSettled)
	for _, r := range []ledger.Record{heard, lost, none} {
		require.NoError(t, s.Record(t.Context(), r))
	}
	s.Close()
	_, err = db.ExecContext(t.Context(), `INSERT INTO lost_records SELECT practice, copay_id, version, asked FROM records WHERE copay_id = $1`, lost.CoPay.ID)
	require.NoError(t, err)
	known := func() (ids []string) {
		rows, err := db.QueryContext(t.Context(), `SELECT id FROM copays WHERE remitted ORDER BY charge`)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var id string
			require.NoError(t, rows.Scan(&id))
			ids = append(ids, id)
		}
		require.NoError(t, rows.Err())
		return ids
	}
	require.Equal(t, []string{string(heard.CoPay.ID), string(lost.CoPay.ID)}, known(), "as recorded")
	p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("migrations"))
	require.NoError(t, err)
	_, err = p.DownTo(t.Context(), 9)
	require.NoError(t, err)
	require.NoError(t, ledger.Migrate(t.Context(), dsn))
	require.Equal(t, []string{string(heard.CoPay.ID)}, known(), "as found in the timeline")
}
