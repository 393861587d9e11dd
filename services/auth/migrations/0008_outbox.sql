-- Mails that somebody asked for and that the broker does not have yet. What a mail says, and its token, is made when it
-- is published: no token is ever stored here. Asking for an address that nobody has writes a row like any other.
CREATE TABLE IF NOT EXISTS outbox (
    id BINARY(16) NOT NULL COMMENT 'UUIDv7, the mail''s',
    kind VARCHAR(24) NOT NULL,
    email VARCHAR(254) NOT NULL,
    account_id BINARY(16) NULL COMMENT 'whose address it is or is to be, where that was known',
    created_at DATETIME(6) NOT NULL COMMENT 'UTC',
    -- One of several replicas publishes it, and another one if that one dies.
    taken_by BINARY(16) NULL,
    taken_until DATETIME(6) NULL COMMENT 'UTC',
    PRIMARY KEY (id),
    KEY outbox_taken_by (taken_by)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
