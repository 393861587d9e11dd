use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use contracts::ApiKeyId;
use humantime::parse_duration;
use jobs::JobStore;
use reqwest::Url;
use service_kit::{Shutdown, every};

use super::api_keys::ApiKeys;
use super::auth_client::AuthClient;
use super::cookies::PublicSite;
use super::revocations::{MovedAccounts, Revocations};
use super::tokens::TokenVerifier;
use crate::edge::Edge;

/// Where auth is, and what the gateway believes of it.
#[derive(Debug, Clone, Args)]
pub struct IdentityConfig {
    /// Base address of the auth service
    #[arg(long, env = "AUTH_URL", default_value = "http://127.0.0.1:5000")]
    auth_url: Url,

    /// Address of the gateway as its users reach it: in links, for whose pages may use cookies, and where identity providers send
    /// browsers back
    #[arg(long, env = "PUBLIC_URL", default_value = "http://localhost:8080")]
    pub(crate) public_url: Url,

    /// Whether an upload needs an address that its owner has confirmed
    #[arg(long, env = "REQUIRE_VERIFIED_ADDRESS", default_value_t = true, action = clap::ArgAction::Set)]
    require_verified_address: bool,

    /// How often auth is asked which sessions have ended and which addresses changed: so long an access token may outlive its session
    #[arg(long, env = "REVOCATION_INTERVAL", default_value = "2s", value_parser = parse_duration)]
    pub(crate) revocation_interval: Duration,
}

/// Identifies callers.
pub(crate) struct Identity {
    pub(crate) auth: AuthClient,
    pub(crate) site: PublicSite,
    pub(crate) revocations: Arc<Revocations>,
    pub(super) api_keys: ApiKeys,
    pub(super) tokens: TokenVerifier,
    pub(super) requires_verified_address: bool,
    pub(super) edge: Arc<Edge>,
}

impl Identity {
    pub(crate) fn new(config: &IdentityConfig, edge: Arc<Edge>) -> Result<Self, reqwest::Error> {
        let revocations = Arc::new(Revocations::default());
        Ok(Self {
            auth: AuthClient::new(config.auth_url.clone(), Arc::clone(&revocations))?,
            site: PublicSite::new(config.public_url.clone()),
            api_keys: ApiKeys::new(),
            tokens: TokenVerifier::new(config.auth_url.clone())?,
            requires_verified_address: config.require_verified_address,
            revocations,
            edge,
        })
    }

    /// Asks auth at every interval which sessions have ended, and gives the jobs of accounts with a new
    /// address that address.
    pub(crate) async fn keep_current(
        self: Arc<Self>,
        jobs: JobStore,
        interval: Duration,
        shutdown: Shutdown,
    ) {
        let failure =
            "could not ask which sessions have ended, or change jobs' addresses; the last answer holds";
        let moved = MovedAccounts::new(jobs);
        every(interval, &shutdown, failure, async || {
            self.auth.refresh_revocations().await?;
            moved.follow(&self.revocations).await
        })
        .await;
    }

    /// Forgets what is known of clients that were idle lately.
    pub(crate) fn forget_idle(&self) {
        self.api_keys.forget_idle();
    }

    /// Forgets an API key that was deleted through this gateway; the others learn of it within seconds.
    pub(crate) fn forget_key(&self, key: ApiKeyId) {
        self.api_keys.forget(key);
    }
}
