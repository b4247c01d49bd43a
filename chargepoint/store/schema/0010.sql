-- The archive of signed records: how much there is, kept by the database itself so that nobody
-- has to count, and which ones may leave, oldest first.
CREATE TABLE record_total (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);
INSERT INTO record_total
    SELECT 1, count(*), coalesce(sum(length(document) + length(public_key)), 0) FROM record;

CREATE TRIGGER record_came AFTER INSERT ON record BEGIN
    UPDATE record_total SET count = count + 1,
        bytes = bytes + length(new.document) + length(new.public_key);
END;
CREATE TRIGGER record_left AFTER DELETE ON record BEGIN
    UPDATE record_total SET count = count - 1,
        bytes = bytes - length(old.document) - length(old.public_key);
END;

CREATE INDEX record_done ON record (number)
    WHERE delivered_at IS NOT NULL AND released_at IS NOT NULL;
