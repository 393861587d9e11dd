-- MySQL has no ADD COLUMN IF NOT EXISTS: the statement is made only where the columns are missing, so that this
-- may run twice, too.
SET @change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = 'outbox' AND column_name = 'decided') = 0,
    'ALTER TABLE outbox
        ADD COLUMN decided VARCHAR(24) NULL COMMENT ''what the mail says, once that is decided and counted'',
        ADD COLUMN tries INT UNSIGNED NOT NULL DEFAULT 0',
    'DO 0'
);
PREPARE change_of_outbox FROM @change;
EXECUTE change_of_outbox;
DEALLOCATE PREPARE change_of_outbox;
