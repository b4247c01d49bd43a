-- Records that no message may carry: found in a meter when their transaction was told, or of a
-- session that never became a transaction. Whether one waits is seen in the journal.
CREATE INDEX record_kept ON record (number, transaction_id)
    WHERE delivered_at IS NULL AND released_at IS NOT NULL;
