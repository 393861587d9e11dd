use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use broker::BrokerConfig;
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

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub rabbitmq: BrokerConfig,

    /// Address to serve on; for the gateway only
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:5000")]
    pub listen: SocketAddr,

    /// Key that encrypts the private signing keys in the database: 32 random bytes in base64
    #[arg(long, env = "KEY_ENCRYPTION_KEY", hide_env_values = true)]
    pub key_encryption_key: SecretString,

    /// How long an access token is valid
    #[arg(long, env = "ACCESS_TOKEN_LIFETIME", default_value = "15m", value_parser = humantime::parse_duration)]
    pub access_token_lifetime: Duration,

    /// How long a session lasts that is not refreshed
    #[arg(long, env = "REFRESH_TOKEN_LIFETIME", default_value = "30days", value_parser = humantime::parse_duration)]
    pub refresh_token_lifetime: Duration,

    /// How long a session lasts at the most
    #[arg(long, env = "SESSION_LIFETIME", default_value = "180days", value_parser = humantime::parse_duration)]
    pub session_lifetime: Duration,

    /// How long a refresh token that was exchanged still works, for an answer that was lost
    #[arg(long, env = "REFRESH_GRACE", default_value = "30s", value_parser = humantime::parse_duration)]
    pub refresh_grace: Duration,

    /// How long the link works that confirms an address
    #[arg(long, env = "VERIFICATION_LIFETIME", default_value = "24h", value_parser = humantime::parse_duration)]
    pub verification_lifetime: Duration,

    /// How long the link works that replaces a forgotten password
    #[arg(long, env = "RESET_LIFETIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub reset_lifetime: Duration,

    /// How many mails an account gets within an hour on the wish of somebody who is not signed in
    #[arg(long, env = "ACCOUNT_MAILS_PER_HOUR", default_value_t = 10)]
    pub account_mails_per_hour: u32,

    /// Identity providers to sign in with, a JSON list of `{"id", "name", "issuer", "client_id",
    /// "client_secret"}`
    #[arg(long, env = "OIDC_PROVIDERS", hide_env_values = true)]
    pub oidc_providers: Option<SecretString>,

    /// How many passwords are hashed at once, in 19 MiB each; as many as there are cores by default
    #[arg(long, env = "PASSWORD_HASHING_SLOTS")]
    pub password_hashing_slots: Option<NonZeroUsize>,

    /// How often the signing keys are read again
    #[arg(long, env = "SIGNING_KEY_REFRESH", default_value = "60s", value_parser = humantime::parse_duration)]
    pub signing_key_refresh: Duration,

    /// How long a new signing key is published before it signs: longer than gateways keep the keys (5
    /// minutes)
    #[arg(long, env = "SIGNING_KEY_ANNOUNCEMENT", default_value = "10m", value_parser = humantime::parse_duration)]
    pub signing_key_announcement: Duration,
}
