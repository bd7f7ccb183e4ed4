-- +goose Up

-- The hash covers all columns in the canonical form the program writes them
-- in, so that altering any of them shows.
CREATE TABLE audit_log (
    practice  text        NOT NULL,
    seq       bigint      NOT NULL,
    at        timestamptz NOT NULL,
    actor     jsonb       NOT NULL,
    action    text        NOT NULL,
    copay_id  text        NOT NULL DEFAULT '',
    reason    text        NOT NULL DEFAULT '',
    detail    jsonb       NOT NULL,
    trace_id  text        NOT NULL DEFAULT '',
    prev_hash bytea       NOT NULL,
    hash      bytea       NOT NULL,
    PRIMARY KEY (practice, seq)
);
CREATE INDEX audit_log_by_copay ON audit_log (practice, copay_id, seq);

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- The newest link of each practice's chain; its row lock orders the writers.
CREATE TABLE audit_heads (
    practice text   NOT NULL PRIMARY KEY,
    seq      bigint NOT NULL,
    hash     bytea  NOT NULL
) WITH (fillfactor = 50);

-- Links rows to the end of a practice's chain. It is called last in its
-- transaction, since it holds the practice's lock until the commit.
-- hash = SHA-256(previous hash, number as eight bytes, canonical content)
-- +goose StatementBegin
CREATE FUNCTION audit_append(
    p_practice text, p_at timestamptz[], p_actor jsonb[], p_action text[], p_copay text[],
    p_reason text[], p_detail jsonb[], p_trace text[], p_content bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    h    audit_heads%ROWTYPE;
    prev bytea;
BEGIN
    SELECT * INTO h FROM audit_heads WHERE practice = p_practice FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO audit_heads (practice, seq, hash) VALUES (p_practice, 0, sha256(convert_to(p_practice, 'UTF8')))
            ON CONFLICT DO NOTHING;
        SELECT * INTO h FROM audit_heads WHERE practice = p_practice FOR UPDATE;
    END IF;
    FOR i IN 1 .. cardinality(p_at) LOOP
        prev := h.hash;
        h.seq := h.seq + 1;
        h.hash := sha256(prev || int8send(h.seq) || p_content[i]);
        INSERT INTO audit_log (practice, seq, at, actor, action, copay_id, reason, detail, trace_id, prev_hash, hash)
        VALUES (p_practice, h.seq, p_at[i], p_actor[i], p_action[i], p_copay[i], p_reason[i], p_detail[i], p_trace[i], prev, h.hash);
    END LOOP;
    UPDATE audit_heads SET seq = h.seq, hash = h.hash WHERE practice = p_practice;
    RETURN h.seq;
END $$;
-- +goose StatementEnd

-- Exported workflow histories; their payloads are still encrypted.
CREATE TABLE archive (
    practice  text        NOT NULL,
    copay_id  text        NOT NULL,
    run_id    text        NOT NULL,
    closed_at timestamptz NOT NULL,
    sha256    bytea       NOT NULL,
    history   bytea       NOT NULL,
    PRIMARY KEY (practice, copay_id, run_id),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);
ALTER TABLE archive ALTER COLUMN history SET STORAGE EXTERNAL;
CREATE TRIGGER archive_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON archive
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- +goose Down
DROP TABLE archive;
DROP FUNCTION audit_append(text, timestamptz[], jsonb[], text[], text[], text[], jsonb[], text[], bytea[]);
DROP TABLE audit_heads;
DROP TABLE audit_log;
