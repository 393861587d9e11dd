CREATE TABLE IF NOT EXISTS sessions (
    id BINARY(16) NOT NULL COMMENT 'UUIDv7',
    account_id BINARY(16) NOT NULL,
    client VARCHAR(200) NOT NULL COMMENT 'what the client called itself',
    created_at DATETIME(6) NOT NULL COMMENT 'UTC',
    last_used_at DATETIME(6) NOT NULL COMMENT 'UTC',
    -- However often it is refreshed.
    expires_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (id),
    KEY sessions_account (account_id),
    KEY sessions_expires_at (expires_at),
    CONSTRAINT sessions_of_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
