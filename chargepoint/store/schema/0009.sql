-- Facts that the CSMS was not told, or told only in part, and why: evidence for whoever has to
-- account for them. message_id, stream, kind and fact are those of the journal.
CREATE TABLE untold (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    kind TEXT NOT NULL,
    fact BLOB NOT NULL,
    version TEXT NOT NULL,
    why TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX untold_stream ON untold (stream, number);

-- The OCPP version in which the begin of a transaction was told, until its end is told.
CREATE TABLE begin_told (transaction_id TEXT PRIMARY KEY, version TEXT NOT NULL) WITHOUT ROWID;
