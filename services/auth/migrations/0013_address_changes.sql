-- Whose jobs the gateways give another address.
CREATE TABLE IF NOT EXISTS address_changes (
    account_id BINARY(16) NOT NULL,
    changed_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (account_id),
    KEY address_changes_changed_at (changed_at),
    CONSTRAINT address_changes_of_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
