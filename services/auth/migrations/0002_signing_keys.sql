CREATE TABLE IF NOT EXISTS signing_keys (
    kid VARCHAR(64) NOT NULL COMMENT 'RFC 7638 thumbprint',
    public_key BINARY(32) NOT NULL COMMENT 'Ed25519',
    sealed_private_key VARBINARY(255) NOT NULL COMMENT 'nonce, PKCS#8 under AES-256-GCM, tag',
    -- 1 for the key that signs, else null: the unique key lets one of several replicas that start at once win.
    active_slot TINYINT UNSIGNED NULL,
    created_at DATETIME(6) NOT NULL COMMENT 'UTC',
    -- Published until then; for a key that no longer signs, the time when its last token has expired.
    retired_at DATETIME(6) NULL COMMENT 'UTC',
    PRIMARY KEY (kid),
    UNIQUE KEY signing_keys_active_slot (active_slot),
    CONSTRAINT signing_keys_one_slot CHECK (active_slot = 1)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
