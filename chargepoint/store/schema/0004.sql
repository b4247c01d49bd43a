-- Reservations, oldest first, as JSON of core.reservation.Reservation.
CREATE TABLE reservation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    reservation_id INTEGER NOT NULL UNIQUE,
    entry BLOB NOT NULL
);

-- A connector out of order used to be noted like its EVSE; now it is noted by its number.
UPDATE evse SET state = CAST(json_set(
    CAST(state AS TEXT),
    '$.closed', json_array(json_extract(CAST(state AS TEXT), '$.connector_id')),
    '$.inoperative', json((
        SELECT json_group_array(value)
        FROM json_each(CAST(state AS TEXT), '$.inoperative') WHERE value <> 'connector'
    ))
) AS BLOB)
WHERE EXISTS (
    SELECT 1 FROM json_each(CAST(state AS TEXT), '$.inoperative') WHERE value = 'connector'
);
