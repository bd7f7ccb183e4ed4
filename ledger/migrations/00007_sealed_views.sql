-- +goose Up

-- A co-pay's picture names the patient's reference, plan and what the plan
-- says: it is sealed from here on. What was written before is readable text
-- that begins with a brace, until the co-pay is recorded again.
ALTER TABLE copays ALTER COLUMN view TYPE bytea USING convert_to(view::text, 'UTF8');
ALTER TABLE copays DROP COLUMN patient_ref;

-- What staff give as their reason.
ALTER TABLE timeline ADD COLUMN reason bytea;

-- +goose Down
ALTER TABLE timeline DROP COLUMN reason;
ALTER TABLE copays ADD COLUMN patient_ref text NOT NULL DEFAULT '';
