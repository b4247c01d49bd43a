-- The security log: everything, whether the CSMS was told or not. Newest kept.
CREATE TABLE security_log (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    at TEXT NOT NULL,
    info TEXT NOT NULL
);

-- What the station shows the CSMS: the password that worked last, and one to be tried.
CREATE TABLE credential (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
