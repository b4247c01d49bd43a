-- Charging profiles that are installed, as JSON of core.profiles_model.Installed. transaction_id is
-- NULL but for a TxProfile, which goes with its transaction; empty while that has not begun.
CREATE TABLE charging_profile (
    profile_id INTEGER PRIMARY KEY,
    evse_id INTEGER NOT NULL,
    transaction_id TEXT,
    installed BLOB NOT NULL
);
