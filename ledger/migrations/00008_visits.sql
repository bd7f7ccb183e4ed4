-- +goose Up

-- Which co-pay asks for a service of a visit: two lines of one visit must not
-- ask for the visit's co-pay twice.
CREATE TABLE visits (
    practice    text NOT NULL,
    ehr         text NOT NULL,
    appointment text NOT NULL,
    service     text NOT NULL,
    copay_id    text NOT NULL,
    PRIMARY KEY (practice, ehr, appointment, service)
);

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'copay_app') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON visits TO copay_app;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role copay_app was given no rights: not allowed to grant them';
END $$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE visits;
