-- What the gateways are told. Kept for the lifetime of an access token, and not bound to an account: it must outlive one
-- that is erased.
CREATE TABLE IF NOT EXISTS revoked_sessions (
    session_id BINARY(16) NOT NULL,
    revoked_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (session_id),
    KEY revoked_sessions_revoked_at (revoked_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
