CREATE TABLE IF NOT EXISTS refresh_tokens (
    hash BINARY(32) NOT NULL COMMENT 'SHA-256',
    session_id BINARY(16) NOT NULL,
    expires_at DATETIME(6) NOT NULL COMMENT 'UTC',
    -- When it, or another one that was given out beside it, was exchanged: using it later means that there are two.
    replaced_at DATETIME(6) NULL COMMENT 'UTC',
    PRIMARY KEY (hash),
    KEY refresh_tokens_session (session_id),
    KEY refresh_tokens_expires_at (expires_at),
    CONSTRAINT refresh_tokens_of_session FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
