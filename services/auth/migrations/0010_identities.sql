-- Who an account is to an outside identity provider (OpenID Connect).
CREATE TABLE IF NOT EXISTS identities (
    issuer VARCHAR(255) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    account_id BINARY(16) NOT NULL,
    created_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (issuer, subject),
    KEY identities_account (account_id),
    CONSTRAINT identities_of_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
