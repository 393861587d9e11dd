//! The auth service: accounts, passwords, access tokens and the keys that verify them, all of it in `MySQL`.
//!
//! An internal service: only the gateway talks to it, with the access tokens of its users or on its own
//! account (`/internal/…`). A mail is requested by a row of the outbox, in the transaction that makes it
//! necessary. The outbox relay publishes it to queue `account`.

mod commands;
mod config;
mod error;
mod oidc;
mod outbox_relay;
mod passwords;
mod purge;
mod routes;
mod service;
mod tables;
mod tokens;

use std::sync::Arc;

use anyhow::Context as _;
use service_kit::{ConnectionLimits, Process, Readiness};
use tokio::net::TcpListener;

pub use commands::{RotateCommand, UserAction, UserCommand, rotate_keys, user};
pub use config::{Config, DatabaseConfig};
pub use tables::schema::migrate;

use broker::Broker;
use oidc::Oidc;
use outbox_relay::{MailPolicy, OutboxRelay, RelayWaker};
use passwords::hashing::Hasher;
use passwords::turns::Turns;
use service::{Lifetimes, Service};
use tables::database::Database;
use tables::schema;
use tables::signing_keys::SigningKeys;
use tokens::keyring::Keyring;
use tokens::sealing::KeyEncryptionKey;

/// Serves until the process drains. Starts while the database is away, and recovers with it.
///
/// # Errors
/// A setting is wrong. One case: `KEY_ENCRYPTION_KEY` does not decrypt the signing key in the database.
pub async fn run(config: Config, listener: TcpListener, process: Process) -> anyhow::Result<()> {
    let database = Database::connect_lazily(&config.database.mysql_url)?;
    let encryption = KeyEncryptionKey::parse(&config.key_encryption_key)?;
    let mail_tokens = encryption.mail_tokens();
    let keyring = Arc::new(Keyring::new(
        SigningKeys::new(database.clone()),
        encryption,
        config.signing_key_announcement,
    ));
    let lifetimes = Lifetimes {
        access_token: config.access_token_lifetime,
        refresh_token: config.refresh_token_lifetime,
        session: config.session_lifetime,
        grace: config.refresh_grace,
    };
    let waker = RelayWaker::default();
    let service = Service {
        database: database.clone(),
        hasher: Hasher::new(config.password_hashing_slots),
        turns: Turns::default(),
        keyring: Arc::clone(&keyring),
        lifetimes,
        relay: waker.clone(),
        oidc: Oidc::new(config.oidc_providers.as_ref())?,
    };
    // RabbitMQ may be away: mails wait in the outbox, and everything else works.
    let broker = Broker::new(&config.rabbitmq, "auth", process.shutdown().drain().clone())?;
    let policy = MailPolicy {
        verification_lifetime: config.verification_lifetime,
        reset_lifetime: config.reset_lifetime,
        per_hour: config.account_mails_per_hour,
    };
    let relay = OutboxRelay { database: database.clone(), broker, policy, tokens: mail_tokens, waker };

    let shutdown = process.serve_admin(readiness(database.clone(), Arc::clone(&keyring)));
    let router = service_kit::http::with_layers(routes::router(Arc::new(service)));
    let serving = async {
        service_kit::http::serve(listener, router, ConnectionLimits::default(), shutdown.clone()).await;
        Ok(())
    };
    let loading = async {
        let loaded = keyring.keep_current(config.signing_key_refresh, shutdown.drain()).await;
        loaded.context("could not load the signing keys")
    };
    let background = async {
        tokio::join!(
            relay.run(shutdown.drain()),
            purge::run(&database, lifetimes.revocation(), shutdown.drain()),
        );
        Ok(())
    };
    tokio::try_join!(serving, loading, background)?;
    Ok(())
}

fn readiness(database: Database, keyring: Arc<Keyring>) -> Readiness {
    Readiness::new()
        .needs_at_first("database", move || {
            let database = database.clone();
            async move { schema::check(&database).await }
        })
        .needs("signing key", move || {
            let loaded = keyring.current().map(|_| ());
            async move { loaded }
        })
}
