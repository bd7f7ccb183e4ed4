-- +goose Up

-- One row a co-pay: the lasting guard of its identity and the read model.
CREATE TABLE copays (
    practice       text        NOT NULL,
    id             text        NOT NULL,
    ehr            text        NOT NULL,
    charge         text        NOT NULL,
    workflow_id    text        NOT NULL,
    state          text        NOT NULL,
    rail           text        NOT NULL DEFAULT '',
    currency       text        NOT NULL DEFAULT '',
    billed         bigint      NOT NULL DEFAULT 0,
    estimated      bigint      NOT NULL DEFAULT 0,
    requested      bigint      NOT NULL DEFAULT 0,
    collected      bigint      NOT NULL DEFAULT 0,
    refunded       bigint      NOT NULL DEFAULT 0,
    adjudicated    bigint      NOT NULL DEFAULT 0,
    service_date   date,
    appointment    text        NOT NULL DEFAULT '',
    patient_ref    text        NOT NULL DEFAULT '',
    patient_key    bytea,
    review         text        NOT NULL DEFAULT '',
    next_action_at timestamptz,
    claimed_at     timestamptz NOT NULL,
    started_at     timestamptz,
    updated_at     timestamptz NOT NULL,
    version        bigint      NOT NULL DEFAULT 0,
    seq            bigint      NOT NULL DEFAULT 0,
    view           jsonb       NOT NULL,
    PRIMARY KEY (practice, id),
    UNIQUE (practice, ehr, charge)
) WITH (fillfactor = 80);

COMMENT ON COLUMN copays.version IS 'of the recorded picture; 0: claimed, nothing recorded yet';
COMMENT ON COLUMN copays.seq IS 'number of the newest timeline row';
COMMENT ON COLUMN copays.patient_key IS 'keyed hash of the patient, for look-ups';

CREATE INDEX copays_newest ON copays (practice, claimed_at DESC, id DESC);
CREATE INDEX copays_by_state ON copays (practice, state, claimed_at DESC, id DESC);
CREATE INDEX copays_by_patient ON copays (practice, patient_key);
CREATE INDEX copays_by_appointment ON copays (practice, ehr, appointment) WHERE appointment <> '';

-- Which steps were recorded, by content, so that a repeated one is known.
CREATE TABLE records (
    practice text   NOT NULL,
    copay_id text   NOT NULL,
    version  bigint NOT NULL,
    digest   bytea  NOT NULL,
    PRIMARY KEY (practice, copay_id, version, digest)
);

CREATE TABLE timeline (
    practice  text        NOT NULL,
    copay_id  text        NOT NULL,
    seq       bigint      NOT NULL,
    version   bigint      NOT NULL,
    at        timestamptz NOT NULL,
    kind      text        NOT NULL,
    actor     jsonb       NOT NULL,
    summary   text        NOT NULL,
    detail    jsonb       NOT NULL,
    sensitive bytea,
    PRIMARY KEY (practice, copay_id, seq),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);

-- Which co-pay an object at a platform belongs to, for webhooks that name
-- only the object.
CREATE TABLE payment_refs (
    practice text NOT NULL,
    platform text NOT NULL,
    kind     text NOT NULL,
    object   text NOT NULL,
    copay_id text NOT NULL,
    PRIMARY KEY (practice, platform, object, kind),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);
CREATE INDEX payment_refs_by_copay ON payment_refs (practice, copay_id);

COMMENT ON COLUMN payment_refs.platform IS 'empty for documents of the accounting platform';

-- +goose Down
DROP TABLE payment_refs;
DROP TABLE timeline;
DROP TABLE records;
DROP TABLE copays;
