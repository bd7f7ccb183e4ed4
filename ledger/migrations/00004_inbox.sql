-- +goose Up

CREATE TABLE inbox (
    row_id      bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    practice    text        NOT NULL,
    platform    text        NOT NULL,
    event_id    text        NOT NULL,
    kind        text        NOT NULL,
    type        text        NOT NULL,
    payload     bytea       NOT NULL,
    trace_id    text        NOT NULL DEFAULT '',
    status      text        NOT NULL CHECK (status IN ('pending', 'done', 'ignored', 'dead')),
    attempts    int         NOT NULL DEFAULT 0,
    worker      text        NOT NULL DEFAULT '',
    last_error  text        NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL,
    next_at     timestamptz NOT NULL,
    done_at     timestamptz,
    UNIQUE (practice, platform, event_id)
) WITH (fillfactor = 80);

COMMENT ON COLUMN inbox.next_at IS 'when a pending event may be claimed; a claim moves it to the end of its lease';

CREATE INDEX inbox_due ON inbox (next_at, row_id) WHERE status = 'pending';
CREATE INDEX inbox_dead ON inbox (practice, row_id) WHERE status = 'dead';

-- +goose Down
DROP TABLE inbox;
