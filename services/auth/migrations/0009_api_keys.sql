CREATE TABLE IF NOT EXISTS api_keys (
    id BINARY(16) NOT NULL COMMENT 'UUIDv7',
    account_id BINARY(16) NOT NULL,
    name VARCHAR(100) NOT NULL,
    scopes VARCHAR(64) NOT NULL COMMENT 'separated by commas',
    hash BINARY(32) NOT NULL COMMENT 'SHA-256',
    created_at DATETIME(6) NOT NULL COMMENT 'UTC',
    expires_at DATETIME(6) NULL COMMENT 'UTC',
    last_used_at DATETIME(6) NULL COMMENT 'UTC, to the minute',
    PRIMARY KEY (id),
    UNIQUE KEY api_keys_hash (hash),
    KEY api_keys_account (account_id),
    CONSTRAINT api_keys_of_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
