use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use axum_client_ip::ClientIpSource;
use broker::BrokerConfig;
use clap::Args;
use databases::MongoConfig;
use humantime::parse_duration;
use secrecy::SecretString;
use service_kit::Networks;

/// The gateway's settings.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the public port
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Base address of the auth service
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:5000")]
    pub auth_url: reqwest::Url,

    /// Address of the gateway as its users reach it: in links, for whose pages may use cookies, and where identity providers send
    /// browsers back
    #[arg(long, env = "PUBLIC_URL", default_value = "http://localhost:8080")]
    pub public_url: reqwest::Url,

    /// Whether an upload needs an address that its owner has confirmed
    #[arg(long, env = "REQUIRE_VERIFIED_ADDRESS", default_value_t = true, action = clap::ArgAction::Set)]
    pub require_verified_address: bool,

    /// How often auth is asked which sessions have ended and which addresses changed: so long an access token may outlive its session
    #[arg(long, env = "REVOCATION_INTERVAL", default_value = "2s", value_parser = parse_duration)]
    pub revocation_interval: Duration,

    /// How often auth is asked which accounts are to be erased
    #[arg(long, env = "ERASURE_INTERVAL", default_value = "10s", value_parser = parse_duration)]
    pub erasure_interval: Duration,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub mongodb: MongoConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub rabbitmq: BrokerConfig,

    /// The secret that download links are signed with; the same as notification's
    #[arg(long, env = "LINK_KEY", hide_env_values = true)]
    pub link_key: SecretString,

    /// The folder of the built browser page; without it `/` leads to the documentation of the interface
    #[arg(long, env = "STATIC_DIR")]
    pub static_dir: Option<PathBuf>,

    /// The largest file that is taken, in bytes
    #[arg(long, env = "MAX_UPLOAD_BYTES", default_value_t = 2 << 30)]
    pub max_upload_bytes: u64,

    /// Room on MongoDB's disk that is kept free, at most an eighth of it: uploads that would take of it are refused (507), and
    /// conversions wait once they would take more than half of it. The same as converter's
    #[arg(long, env = "MONGODB_RESERVE_BYTES", default_value_t = 4 << 30)]
    pub mongodb_reserve_bytes: u64,

    /// How long an upload may send nothing before it is given up
    #[arg(long, env = "UPLOAD_IDLE_TIMEOUT", default_value = "60s", value_parser = parse_duration)]
    pub upload_idle_timeout: Duration,

    /// Bytes per second that an upload must have on the average, but for pauses of ten idle timeouts in all
    #[arg(long, env = "MIN_UPLOAD_RATE", default_value = "1024")]
    pub min_upload_rate: NonZeroU32,

    /// How long an upload may take in all
    #[arg(long, env = "UPLOAD_TIMEOUT", default_value = "12h", value_parser = parse_duration)]
    pub upload_timeout: Duration,

    /// How long a client may take nothing of an answer before its connection is closed
    #[arg(long, env = "DOWNLOAD_IDLE_TIMEOUT", default_value = "60s", value_parser = parse_duration)]
    pub download_idle_timeout: Duration,

    /// Bytes per second that a client must take of an answer on the average, but for pauses of ten idle timeouts in all
    #[arg(long, env = "MIN_DOWNLOAD_RATE", default_value = "1024")]
    pub min_download_rate: NonZeroU32,

    /// How long an unfinished resumable upload is kept after the last byte of it came
    #[arg(long, env = "UPLOAD_EXPIRY", default_value = "24h", value_parser = parse_duration)]
    pub upload_expiry: Duration,

    /// Where a client's address is found: `ConnectInfo` without a proxy, else the header that the nearest proxy sets
    #[arg(long, env = "CLIENT_IP_SOURCE", default_value = "ConnectInfo")]
    pub client_ip_source: ClientIpSource,

    /// Networks of the proxies in front, whose headers about the client are believed, such as `10.0.0.0/8`; separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: Networks,

    /// Origins whose pages may use the API from a browser, such as `https://example.org`; separated by commas
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,

    /// The most connections at the same time; half of them from one address (of IPv6: one /64) that is no proxy
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "4096")]
    pub max_connections: NonZeroU32,

    /// Registrations, logins and the like per minute from one client address, in each gateway process
    #[arg(long, env = "CREDENTIALS_PER_MINUTE", default_value = "120")]
    pub credentials_per_minute: NonZeroU32,

    /// Uploads per minute by one user, in each gateway process
    #[arg(long, env = "UPLOADS_PER_MINUTE", default_value = "300")]
    pub uploads_per_minute: NonZeroU32,

    /// Uploads of one user whose bytes are taken at the same time, in each gateway process; more wait. Half a megabyte of memory each
    #[arg(long, env = "UPLOADS_AT_ONCE", default_value = "32")]
    pub uploads_at_once: NonZeroU16,

    /// Uploads of all users whose bytes are taken at the same time, in each gateway process
    #[arg(long, env = "ALL_UPLOADS_AT_ONCE", default_value = "256")]
    pub all_uploads_at_once: NonZeroU16,

    /// Downloads of one user's files at the same time, by whoever has the links, in each gateway process; more wait
    #[arg(long, env = "DOWNLOADS_AT_ONCE", default_value = "256")]
    pub downloads_at_once: NonZeroU16,

    /// Requests of any kind per minute by one user, and without a token by one client address, in each gateway process
    #[arg(long, env = "REQUESTS_PER_MINUTE", default_value = "6000")]
    pub requests_per_minute: NonZeroU32,

    /// How many bytes of videos and audio files one user may have stored
    #[arg(long, env = "MAX_STORED_BYTES", default_value_t = 20 << 30)]
    pub max_stored_bytes: u64,

    /// How many minutes of sound are converted for one user in a day (UTC)
    #[arg(long, env = "MAX_MINUTES_PER_DAY", default_value = "1440")]
    pub max_minutes_per_day: NonZeroU64,

    /// How many jobs of one user may be waiting or running
    #[arg(long, env = "MAX_UNFINISHED_JOBS", default_value_t = 1000)]
    pub max_unfinished_jobs: u64,

    /// How many jobs of one user the converters are given at the same time; the others wait their turn. The same as converter's
    #[arg(long, env = "JOBS_AT_ONCE", default_value = "8")]
    pub jobs_at_once: NonZeroU16,

    /// How often lost messages are looked for
    #[arg(long, env = "RECONCILE_INTERVAL", default_value = "15s", value_parser = parse_duration)]
    pub reconcile_interval: Duration,

    /// After how long a job that the broker has not confirmed is announced again
    #[arg(long, env = "UNANNOUNCED_AFTER", default_value = "30s", value_parser = parse_duration)]
    pub unannounced_after: Duration,

    /// After how long a job that nobody took up is announced again, in case the broker lost its message
    #[arg(long, env = "WAITING_AFTER", default_value = "1h", value_parser = parse_duration)]
    pub waiting_after: Duration,

    /// How often expired jobs and orphaned files are looked for
    #[arg(long, env = "SWEEP_INTERVAL", default_value = "5m", value_parser = parse_duration)]
    pub sweep_interval: Duration,

    /// The age from which a file counts as an orphan if no job refers to it, or if it was never finished
    #[arg(long, env = "ORPHAN_AGE", default_value = "1h", value_parser = parse_duration)]
    pub orphan_age: Duration,

    /// How long expired and cancelled jobs stay in their owner's list
    #[arg(long, env = "KEEP_HISTORY", default_value = "30days", value_parser = parse_duration)]
    pub keep_history: Duration,
}

/// An origin as browsers send it: nothing behind the host and port.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let url: reqwest::Url = text.parse().map_err(|_| "it is no address")?;
    if url.origin().ascii_serialization() != text {
        return Err(format!("an origin is of the form {}", url.origin().ascii_serialization()));
    }
    HeaderValue::from_str(text).map_err(|_| "it is no origin".to_owned())
}
