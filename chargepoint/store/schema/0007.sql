-- Messages of the CSMS for the screens, in the order in which they came.
CREATE TABLE display_message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER NOT NULL UNIQUE,
    message BLOB NOT NULL
);

-- What the CSMS said last of the cost of a session, one per EVSE.
CREATE TABLE session_cost (evse_id INTEGER PRIMARY KEY, cost BLOB NOT NULL);
