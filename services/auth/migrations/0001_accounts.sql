-- One statement per migration, and one that may run twice: MySQL commits each DDL statement by itself, so a
-- migration that is killed half-way is simply run again.
CREATE TABLE IF NOT EXISTS accounts (
    id BINARY(16) NOT NULL COMMENT 'UUIDv7',
    -- Lower case and ASCII already; compared byte by byte.
    email VARCHAR(254) NOT NULL,
    password_hash VARCHAR(255) NOT NULL COMMENT 'PHC string',
    repeated_registrations INT UNSIGNED NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (id),
    UNIQUE KEY accounts_email (email)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
