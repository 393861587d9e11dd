CREATE TABLE IF NOT EXISTS mail_tokens (
    hash BINARY(32) NOT NULL COMMENT 'SHA-256',
    account_id BINARY(16) NOT NULL,
    purpose VARCHAR(16) NOT NULL COMMENT 'verify, reset or address',
    -- The address that it was sent to.
    email VARCHAR(254) NOT NULL,
    created_at DATETIME(6) NOT NULL COMMENT 'UTC',
    expires_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (hash),
    KEY mail_tokens_account (account_id),
    KEY mail_tokens_expires_at (expires_at),
    CONSTRAINT mail_tokens_of_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
