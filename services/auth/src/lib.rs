//! The auth service: accounts, passwords, access tokens and the keys that verify them, all of it in `MySQL`.
//!
//! An internal service. The gateway alone talks to it, by three routes: `POST /register`, `POST /login` and
//! `GET /.well-known/jwks.json`.

mod accounts;
mod config;
mod database;
mod error;
mod hashing;
mod keyring;
mod password_hash;
mod passwords;
mod routes;
mod schema;
mod sealing;
mod service;
mod signing_keys;
mod tokens;

use std::sync::Arc;

use anyhow::Context as _;
use service_kit::{ConnectionLimits, Process, Readiness};
use tokio::net::TcpListener;

pub use config::{Config, DatabaseConfig};
pub use schema::migrate;

use accounts::Accounts;
use database::Database;
use hashing::Hasher;
use keyring::Keyring;
use sealing::KeyEncryptionKey;
use service::Service;
use signing_keys::SigningKeys;

/// Serves until the process drains. Starts while the database is away, and recovers with it.
///
/// # Errors
///
/// A setting is wrong: among them, `KEY_ENCRYPTION_KEY` does not open the signing key in the database.
pub async fn run(config: Config, listener: TcpListener, process: Process) -> anyhow::Result<()> {
    let database = Database::connect_lazily(&config.database.mysql_url)?;
    let encryption = KeyEncryptionKey::parse(&config.key_encryption_key)?;
    let keyring = Arc::new(Keyring::new(SigningKeys::new(database.clone()), encryption));
    let service = Service {
        accounts: Accounts::new(database.clone()),
        hasher: Hasher::new(config.password_hashing_slots),
        keyring: Arc::clone(&keyring),
        access_token_lifetime: config.access_token_lifetime,
    };

    let shutdown = process.serve_admin(readiness(database, Arc::clone(&keyring)));
    let router = service_kit::http::with_layers(routes::router(Arc::new(service)));
    let serving = async {
        service_kit::http::serve(listener, router, ConnectionLimits::default(), shutdown.clone()).await;
        Ok(())
    };
    let loading = async {
        let loaded = keyring.keep_current(config.signing_key_refresh, shutdown.drain()).await;
        loaded.context("could not load the signing keys")
    };
    tokio::try_join!(serving, loading)?;
    Ok(())
}

fn readiness(database: Database, keyring: Arc<Keyring>) -> Readiness {
    Readiness::new()
        .needs("database", move || {
            let database = database.clone();
            async move { schema::check(&database).await }
        })
        .needs("signing key", move || {
            let loaded = keyring.current().map(|_| ());
            async move { loaded }
        })
}
