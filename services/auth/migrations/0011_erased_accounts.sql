-- Random identifiers and nothing else of those who are gone: an upload that began before must not make a job after.
CREATE TABLE IF NOT EXISTS erased_accounts (
    account_id BINARY(16) NOT NULL,
    erased_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (account_id),
    KEY erased_accounts_erased_at (erased_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
