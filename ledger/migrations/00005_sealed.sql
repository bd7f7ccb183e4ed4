-- +goose Up

-- A practice's keys, each wrapped by a master key that never enters the
-- database. Generations of "data" seal; the only "lookup" one hashes.
CREATE TABLE practice_keys (
    practice   text        NOT NULL,
    purpose    text        NOT NULL CHECK (purpose IN ('data', 'lookup')),
    generation int         NOT NULL,
    master_id  text        NOT NULL,
    wrapped    bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (practice, purpose, generation)
);

CREATE TABLE patients (
    practice   text        NOT NULL,
    copay_id   text        NOT NULL,
    sealed     bytea       NOT NULL,
    phone_key  bytea,
    email_key  bytea,
    no_sms     boolean     NOT NULL DEFAULT false,
    no_email   boolean     NOT NULL DEFAULT false,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (practice, copay_id),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);
CREATE INDEX patients_by_phone ON patients (practice, phone_key) WHERE phone_key IS NOT NULL;
CREATE INDEX patients_by_email ON patients (practice, email_key) WHERE email_key IS NOT NULL;

CREATE TABLE benefits (
    practice   text        NOT NULL,
    member_key bytea       NOT NULL,
    service    text        NOT NULL,
    on_date    date        NOT NULL,
    sealed     bytea       NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (practice, member_key, service, on_date)
);

-- A revocation holds while it is newer than the last restoration, in whatever
-- order the two arrive.
CREATE TABLE contacts (
    practice        text  NOT NULL,
    channel         text  NOT NULL,
    address_key     bytea NOT NULL,
    consent_source  text  NOT NULL DEFAULT '',
    consent_version text  NOT NULL DEFAULT '',
    consent_at      timestamptz,
    restored_at     timestamptz,
    revoked_at      timestamptz,
    revoked_source  text  NOT NULL DEFAULT '',
    bad_at          timestamptz,
    bad_code        text  NOT NULL DEFAULT '',
    PRIMARY KEY (practice, channel, address_key)
);

CREATE TABLE card_consents (
    id          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    practice    text        NOT NULL,
    patient_key bytea       NOT NULL,
    sealed      bytea       NOT NULL,
    digest      bytea       NOT NULL,
    given_at    timestamptz NOT NULL,
    revoked_at  timestamptz
);
CREATE UNIQUE INDEX card_consents_active ON card_consents (practice, patient_key) WHERE revoked_at IS NULL;

CREATE TABLE pay_links (
    token_hash      bytea       NOT NULL PRIMARY KEY,
    practice        text        NOT NULL,
    copay_id        text        NOT NULL,
    number          int         NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    opened_at       timestamptz,
    failed_attempts int         NOT NULL DEFAULT 0,
    UNIQUE (practice, copay_id, number),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);

CREATE TABLE tokens (
    practice   text        NOT NULL,
    platform   text        NOT NULL,
    sealed     bytea,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (practice, platform)
);

CREATE TABLE notifications (
    practice    text        NOT NULL,
    ref         text        NOT NULL,
    copay_id    text        NOT NULL,
    channel     text        NOT NULL,
    template    text        NOT NULL,
    round       int         NOT NULL,
    platform    text        NOT NULL,
    provider_id text        NOT NULL,
    status      text        NOT NULL,
    rank        int         NOT NULL,
    code        text        NOT NULL DEFAULT '',
    at          timestamptz NOT NULL,
    status_at   timestamptz NOT NULL,
    PRIMARY KEY (practice, ref),
    FOREIGN KEY (practice, copay_id) REFERENCES copays (practice, id)
);
CREATE UNIQUE INDEX notifications_by_provider ON notifications (practice, platform, provider_id) WHERE provider_id <> '';
CREATE INDEX notifications_by_copay ON notifications (practice, copay_id);

-- What staff asked for, by the key of their request: the same key again gets
-- the first answer, another request under it is refused.
CREATE TABLE acts (
    practice   text        NOT NULL,
    copay_id   text        NOT NULL,
    key        text        NOT NULL,
    input_hash bytea       NOT NULL,
    result     bytea,
    begun_at   timestamptz NOT NULL,
    done_at    timestamptz,
    PRIMARY KEY (practice, copay_id, key)
);

-- +goose Down
DROP TABLE acts;
DROP TABLE notifications;
DROP TABLE tokens;
DROP TABLE pay_links;
DROP TABLE card_consents;
DROP TABLE contacts;
DROP TABLE benefits;
DROP TABLE patients;
DROP TABLE practice_keys;
