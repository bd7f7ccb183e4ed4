-- +goose Up

-- The role that the programs run as: it can add to what is append-only and
-- nothing else. A managed database may not let us make roles; then the
-- triggers alone hold, and an administrator can make the role before.
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'copay_app') THEN
        CREATE ROLE copay_app NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role copay_app was not made: not allowed to make roles';
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database of the server was migrated at the same time
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'copay_app') THEN
        RETURN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO copay_app', current_schema());
    GRANT SELECT, INSERT, UPDATE, DELETE ON copays, payment_refs, inbox, practice_keys, patients, benefits, contacts,
        card_consents, pay_links, tokens, notifications, acts TO copay_app;
    GRANT SELECT, INSERT, UPDATE ON audit_heads TO copay_app;
    GRANT SELECT, INSERT ON accounts, entries, lines, timeline, records, audit_log, archive TO copay_app;
    GRANT SELECT ON goose_db_version TO copay_app;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role copay_app was given no rights: not allowed to grant them';
END $$;
-- +goose StatementEnd

-- The guards read our tables, whatever a session puts in its search path or
-- its temporary schema.
-- +goose StatementBegin
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
        AND p.proname IN ('entry_balances', 'line_joins_new_entry', 'audit_append')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', f, current_schema());
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'copay_app') THEN
        REVOKE ALL ON ALL TABLES IN SCHEMA public FROM copay_app;
    END IF;
END $$;
-- +goose StatementEnd
