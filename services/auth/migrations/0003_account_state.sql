-- MySQL has no ADD COLUMN IF NOT EXISTS: the statement is made only where the columns are missing, so that this
-- may run twice, too.
SET @change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = 'accounts' AND column_name = 'verified_at') = 0,
    'ALTER TABLE accounts
        MODIFY password_hash VARCHAR(255) NULL COMMENT ''PHC string; none where one signs in elsewhere'',
        ADD COLUMN verified_at DATETIME(6) NULL COMMENT ''UTC; the owner has shown that they read its mail'',
        ADD COLUMN role VARCHAR(16) NOT NULL DEFAULT ''user'',
        ADD COLUMN disabled_at DATETIME(6) NULL COMMENT ''UTC'',
        ADD COLUMN erasing_at DATETIME(6) NULL COMMENT ''UTC; the jobs go first, then this row'',
        ADD COLUMN mail_submitted BOOLEAN NOT NULL DEFAULT FALSE,
        ADD COLUMN mail_finished BOOLEAN NOT NULL DEFAULT TRUE,
        ADD COLUMN mail_failed BOOLEAN NOT NULL DEFAULT TRUE,
        ADD COLUMN mail_window_at DATETIME(6) NULL COMMENT ''UTC; since when mails are counted'',
        ADD COLUMN mails_in_window INT UNSIGNED NOT NULL DEFAULT 0,
        ADD KEY accounts_erasing_at (erasing_at)',
    'DO 0'
);
PREPARE change_of_accounts FROM @change;
EXECUTE change_of_accounts;
DEALLOCATE PREPARE change_of_accounts;
