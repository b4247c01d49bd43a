-- What the CSMS said of a token, with what decides who goes when the cache is full. The type
-- Central fits any type of a presented token: it is that of tokens whose type nobody told.
ALTER TABLE token RENAME TO token_before;
CREATE TABLE token (
    value TEXT NOT NULL,
    type TEXT NOT NULL,
    entry BLOB NOT NULL,
    accepted INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    added_at TEXT NOT NULL,
    used_at TEXT NOT NULL,
    uses INTEGER NOT NULL,
    PRIMARY KEY (value, type)
) WITHOUT ROWID;
INSERT INTO token
    SELECT value, 'Central', entry,
        json_extract(CAST(entry AS TEXT), '$.status') = 'Accepted',
        length(CAST(value AS BLOB)) + length(entry), used_at, used_at, 1
    FROM token_before;
DROP TABLE token_before;

-- The local authorization list; its version is in meta.
CREATE TABLE local_list (
    value TEXT NOT NULL,
    type TEXT NOT NULL,
    entry BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (value, type)
) WITHOUT ROWID;
