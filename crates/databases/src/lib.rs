//! The connection to MongoDB and the names of the three databases in it.
//!
//! `jobs`, `media-store` and `backup` build on this crate; they own the collections.

use std::time::Duration;

use clap::Args;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use secrecy::{ExposeSecret, SecretString};

/// Where MongoDB is.
#[derive(Debug, Clone, Args)]
pub struct MongoConfig {
    /// MongoDB, with user and password
    #[arg(id = "mongodb_url", long = "mongodb-url", env = "MONGODB_URL", hide_env_values = true)]
    pub url: SecretString,

    /// Goes in front of the names of the three databases
    #[arg(
        id = "mongodb_database_prefix",
        long = "mongodb-database-prefix",
        env = "MONGODB_DATABASE_PREFIX",
        default_value = ""
    )]
    pub database_prefix: String,
}

/// The URL is malformed, or a `mongodb+srv` name could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the MongoDB URL is not usable")]
pub struct UnusableUrl(#[source] mongodb::error::Error);

/// The three databases, behind one client.
#[derive(Debug, Clone)]
pub struct Databases {
    client: Client,
    prefix: String,
}

impl Databases {
    /// Creates the client. Does not wait for the server, which may start later.
    ///
    /// # Errors
    /// The URL is malformed, or a `mongodb+srv` name cannot be resolved.
    pub async fn connect(config: &MongoConfig) -> Result<Self, UnusableUrl> {
        let mut options = ClientOptions::parse(config.url.expose_secret()).await.map_err(UnusableUrl)?;
        // The driver's default is 30 s: a user would wait too long for a "try again later".
        options.server_selection_timeout.get_or_insert(Duration::from_secs(3));
        options.connect_timeout.get_or_insert(Duration::from_secs(3));
        options.max_pool_size.get_or_insert(32);
        options.app_name.get_or_insert_with(|| "mixdown".to_owned());
        let client = Client::with_options(options).map_err(UnusableUrl)?;
        Ok(Self { client, prefix: config.database_prefix.clone() })
    }

    /// The jobs and what belongs to them.
    #[must_use]
    pub fn mixdown(&self) -> Database {
        self.named("mixdown")
    }

    /// The uploaded GridFS files.
    #[must_use]
    pub fn videos(&self) -> Database {
        self.named("videos")
    }

    /// The converted GridFS files.
    #[must_use]
    pub fn mp3s(&self) -> Database {
        self.named("mp3s")
    }

    /// All three databases, each with its name without the prefix. The jobs come first.
    #[must_use]
    pub fn all(&self) -> [(&'static str, Database); 3] {
        ["mixdown", "videos", "mp3s"].map(|name| (name, self.named(name)))
    }

    fn named(&self, name: &str) -> Database {
        self.client.database(&format!("{}{name}", self.prefix))
    }
}
