use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

/// Where the accounts are.
#[derive(Debug, Clone, Args)]
pub struct DatabaseConfig {
    /// Database of the accounts, `mysql://user:password@host:port/database` (MySQL or MariaDB)
    #[arg(long, env = "MYSQL_URL", hide_env_values = true)]
    pub mysql_url: SecretString,
}

/// Settings of `auth serve`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub database: DatabaseConfig,

    /// Address to serve on; for the gateway only
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:5000")]
    pub listen: SocketAddr,

    /// Key that encrypts the private signing keys in the database: 32 random bytes in base64
    #[arg(long, env = "KEY_ENCRYPTION_KEY", hide_env_values = true)]
    pub key_encryption_key: SecretString,

    /// How long an access token is valid
    #[arg(long, env = "ACCESS_TOKEN_LIFETIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub access_token_lifetime: Duration,

    /// How many passwords are hashed at once, in 19 MiB each; as many as there are cores by default
    #[arg(long, env = "PASSWORD_HASHING_SLOTS")]
    pub password_hashing_slots: Option<NonZeroUsize>,

    /// How often the signing keys are read again
    #[arg(long, env = "SIGNING_KEY_REFRESH", default_value = "60s", value_parser = humantime::parse_duration)]
    pub signing_key_refresh: Duration,
}
