use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};
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

use crate::background::BackgroundConfig;
use crate::edge::LimitConfig;
use crate::identity::IdentityConfig;
use crate::intake::{QuotaConfig, StorageConfig, UploadConfig};

/// The gateway's settings.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the public port
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub identity: IdentityConfig,

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

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub uploads: UploadConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub storage: StorageConfig,

    /// How long a client may take nothing of an answer before its connection is closed
    #[arg(long, env = "DOWNLOAD_IDLE_TIMEOUT", default_value = "60s", value_parser = parse_duration)]
    pub download_idle_timeout: Duration,

    /// Bytes per second that a client must take of an answer on the average, but for pauses of ten idle timeouts in all
    #[arg(long, env = "MIN_DOWNLOAD_RATE", default_value = "1024")]
    pub min_download_rate: NonZeroU32,

    /// Where a client's address is found: `ConnectInfo` without a proxy, else the header that the nearest proxy sets
    #[arg(long, env = "CLIENT_IP_SOURCE", default_value = "ConnectInfo")]
    pub client_ip_source: ClientIpSource,

    /// Networks of the proxies in front, whose headers about the client are believed, such as `10.0.0.0/8`; separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: Networks,

    /// Origins whose pages may use the API from a browser, such as `https://example.org`; separated by commas
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub limits: LimitConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub quotas: QuotaConfig,

    /// How many jobs of one user the converters are given at the same time; the others wait their turn. The same as converter's
    #[arg(long, env = "JOBS_AT_ONCE", default_value = "8")]
    pub jobs_at_once: NonZeroU16,

    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub background: BackgroundConfig,
}

/// An origin as browsers send it: nothing after the host and port.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let url: reqwest::Url = text.parse().map_err(|_| "it is no address")?;
    if url.origin().ascii_serialization() != text {
        return Err(format!("an origin is of the form {}", url.origin().ascii_serialization()));
    }
    HeaderValue::from_str(text).map_err(|_| "it is no origin".to_owned())
}
