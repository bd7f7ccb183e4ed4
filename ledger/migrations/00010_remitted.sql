-- +goose Up

-- What the payer says that the patient owes is in the sealed picture; that it
-- has said so stands here, so that estimates can be compared with it without
-- opening every co-pay there is.
ALTER TABLE copays ADD COLUMN remitted boolean NOT NULL DEFAULT false;

UPDATE copays c SET remitted = true WHERE EXISTS (SELECT FROM timeline t
    WHERE (t.practice, t.copay_id) = (c.practice, c.id) AND t.kind = 'remittance'
      AND NOT EXISTS (SELECT FROM lost_records l WHERE (l.practice, l.copay_id, l.version, l.asked) = (t.practice, t.copay_id, t.version, t.asked)));

CREATE INDEX copays_remitted ON copays (practice, service_date) WHERE remitted;

-- +goose Down
DROP INDEX copays_remitted;
ALTER TABLE copays DROP COLUMN remitted;
