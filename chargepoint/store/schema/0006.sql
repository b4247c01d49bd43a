-- How to reach a CSMS, by configuration slot, as a CSMS set it.
CREATE TABLE network_profile (slot INTEGER PRIMARY KEY, profile BLOB NOT NULL);

-- The slot that worked last and the highest security profile that ever did.
CREATE TABLE network_good (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    slot INTEGER NOT NULL,
    security INTEGER NOT NULL
);

-- Monitors that a CSMS set or changed, as JSON of core.monitoring.Monitor.
CREATE TABLE monitor (id INTEGER PRIMARY KEY, monitor BLOB NOT NULL);
