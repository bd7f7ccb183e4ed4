-- +goose Up

CREATE TABLE accounts (
    practice text NOT NULL,
    code     text NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('asset', 'liability', 'income', 'expense')),
    PRIMARY KEY (practice, code)
);

-- made_by is the transaction that made the entry: lines can only be added in
-- that same one, so a committed entry never changes.
CREATE TABLE entries (
    practice text        NOT NULL,
    id       bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    copay_id text        NOT NULL,
    step     text        NOT NULL,
    currency text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    at       timestamptz NOT NULL,
    memo     text        NOT NULL DEFAULT '',
    made_by  xid8        NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (id),
    UNIQUE (practice, id),
    UNIQUE (practice, copay_id, step),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);

CREATE TABLE lines (
    practice text   NOT NULL,
    entry_id bigint NOT NULL,
    no       int    NOT NULL,
    account  text   NOT NULL,
    debit    bigint NOT NULL CHECK (debit >= 0),
    credit   bigint NOT NULL CHECK (credit >= 0),
    PRIMARY KEY (entry_id, no),
    CHECK ((debit = 0) <> (credit = 0)),
    FOREIGN KEY (practice, entry_id) REFERENCES entries (practice, id),
    FOREIGN KEY (practice, account) REFERENCES accounts (practice, code)
);
CREATE INDEX lines_by_account ON lines (practice, account);

-- +goose StatementBegin
CREATE FUNCTION entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    entry bigint;
    n     bigint;
    diff  numeric;
BEGIN
    IF TG_TABLE_NAME = 'entries' THEN
        entry := NEW.id;
    ELSE
        entry := NEW.entry_id;
    END IF;
    SELECT count(*), coalesce(sum(debit::numeric - credit), 0) INTO n, diff FROM lines WHERE entry_id = entry;
    IF n < 2 OR diff <> 0 THEN
        RAISE EXCEPTION 'entry % does not balance', entry USING ERRCODE = 'CP001';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entry_balances();
CREATE CONSTRAINT TRIGGER lines_balance AFTER INSERT ON lines
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entry_balances();

-- +goose StatementBegin
CREATE FUNCTION line_joins_new_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM entries WHERE id = NEW.entry_id AND made_by = pg_current_xact_id()) THEN
        RAISE EXCEPTION 'entry % is closed', NEW.entry_id USING ERRCODE = 'CP002';
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

CREATE TRIGGER lines_join_new_entry BEFORE INSERT ON lines
    FOR EACH ROW EXECUTE FUNCTION line_joins_new_entry();

-- +goose StatementBegin
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'CP002';
END $$;
-- +goose StatementEnd

CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER lines_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lines
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER timeline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timeline
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON records
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- +goose Down
DROP TRIGGER records_append_only ON records;
DROP TRIGGER timeline_append_only ON timeline;
DROP TABLE lines;
DROP TABLE entries;
DROP TABLE accounts;
DROP FUNCTION append_only();
DROP FUNCTION line_joins_new_entry();
DROP FUNCTION entry_balances();
