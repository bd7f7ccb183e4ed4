-- +goose Up

-- A workflow task may have to be done again because Temporal never heard of the
-- first time: the worker died, or something arrived meanwhile. What the first
-- time recorded is lost then, and what the second records takes its place.
-- Which came later is told by the workflow run, by how long its history was
-- (task), and by the moment of its clock at which it asked for the record.
ALTER TABLE copays ADD COLUMN run text NOT NULL DEFAULT '', ADD COLUMN task bigint NOT NULL DEFAULT 0,
    ADD COLUMN asked timestamptz NOT NULL DEFAULT '-infinity';

ALTER TABLE records ADD COLUMN run text NOT NULL DEFAULT '', ADD COLUMN task bigint NOT NULL DEFAULT 0,
    ADD COLUMN asked timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE records DROP CONSTRAINT records_pkey;
ALTER TABLE records ADD PRIMARY KEY (practice, copay_id, version, digest, asked);

ALTER TABLE timeline ADD COLUMN asked timestamptz NOT NULL DEFAULT '-infinity';

-- A lost entry is taken back by another that undoes it; the step may be booked
-- anew then. Both stand under its name with a number behind it.
ALTER TABLE entries ADD COLUMN version bigint NOT NULL DEFAULT 0, ADD COLUMN asked timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN undoes bigint UNIQUE REFERENCES entries (id);

CREATE TABLE lost_records (
    practice text        NOT NULL,
    copay_id text        NOT NULL,
    version  bigint      NOT NULL,
    asked    timestamptz NOT NULL,
    PRIMARY KEY (practice, copay_id, version, asked),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);

CREATE TRIGGER lost_records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lost_records
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'copay_app') THEN
        GRANT SELECT, INSERT ON lost_records TO copay_app;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role copay_app was given no rights: not allowed to grant them';
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE lost_records;
ALTER TABLE entries DROP COLUMN undoes, DROP COLUMN asked, DROP COLUMN version;
ALTER TABLE timeline DROP COLUMN asked;
ALTER TABLE records DROP CONSTRAINT records_pkey;
ALTER TABLE records ADD PRIMARY KEY (practice, copay_id, version, digest);
ALTER TABLE records DROP COLUMN asked, DROP COLUMN task, DROP COLUMN run;
ALTER TABLE copays DROP COLUMN asked, DROP COLUMN task, DROP COLUMN run;
