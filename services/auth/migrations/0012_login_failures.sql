CREATE TABLE IF NOT EXISTS login_failures (
    -- Whether there is such an account or not: it must make no difference.
    email_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the address',
    failures INT UNSIGNED NOT NULL,
    last_failed_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (email_hash),
    KEY login_failures_last_failed_at (last_failed_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
