-- What survives a power cut. One file, one commit per step.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- State of every EVSE, as JSON of core.model.EvseState.
CREATE TABLE evse (evse_id INTEGER PRIMARY KEY, state BLOB NOT NULL);

-- What the CSMS must still learn, oldest first. message_id never changes, so that a message sent
-- again after a cut is the same message. offline: happened while there was no link.
CREATE TABLE journal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL,
    stream TEXT NOT NULL,
    kind TEXT NOT NULL,
    fact BLOB NOT NULL,
    offline INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX journal_stream ON journal (stream, number);

-- The id that an OCPP 1.6 CSMS gave to our transaction.
CREATE TABLE csms_transaction (transaction_id TEXT PRIMARY KEY, csms_id INTEGER NOT NULL)
    WITHOUT ROWID;

-- Every transaction for people to look at, newest kept.
CREATE TABLE transactions (
    transaction_id TEXT PRIMARY KEY,
    evse_id INTEGER NOT NULL,
    connector_id INTEGER NOT NULL,
    token TEXT NOT NULL,
    started_at TEXT NOT NULL,
    begin_wh TEXT,
    ended_at TEXT,
    end_wh TEXT,
    reason TEXT,
    missing TEXT
) WITHOUT ROWID;
CREATE INDEX transactions_started ON transactions (started_at);

-- Readings that the final message of a running transaction repeats.
CREATE TABLE kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL,
    sampled BLOB NOT NULL
);
CREATE INDEX kept_transaction ON kept (transaction_id, number);

-- Signed records: evidence, never dropped before it was delivered.
CREATE TABLE record (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL,
    evse_id INTEGER NOT NULL,
    document BLOB NOT NULL,
    digest BLOB NOT NULL,
    encoding TEXT NOT NULL,
    method TEXT NOT NULL,
    public_key TEXT NOT NULL,
    verdict TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    released_at TEXT,
    delivered_at TEXT,
    UNIQUE (transaction_id, digest)
);
CREATE INDEX record_verdict ON record (verdict);

-- What the CSMS said of a token.
CREATE TABLE token (
    value TEXT PRIMARY KEY,
    entry BLOB NOT NULL,
    used_at TEXT NOT NULL
) WITHOUT ROWID;

-- Settings that the CSMS changed.
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
