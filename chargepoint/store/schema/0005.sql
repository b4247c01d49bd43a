-- Long work that goes on after a power cut: a firmware update, the upload of a log. One of each
-- name, as JSON of core.firmware.FirmwareJob and core.logs.LogJob.
CREATE TABLE job (name TEXT PRIMARY KEY, job BLOB NOT NULL) WITHOUT ROWID;
