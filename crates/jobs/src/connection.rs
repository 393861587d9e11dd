use std::time::Duration;

use mongodb::Client;
use mongodb::options::ClientOptions;
use secrecy::{ExposeSecret, SecretString};

/// A client of the MongoDB server that the URL names. Does not wait for the server: it may come later.
///
/// # Errors
/// The URL is not one, or a `mongodb+srv` name cannot be looked up.
pub async fn connect(url: &SecretString) -> Result<Client, mongodb::error::Error> {
    let mut options = ClientOptions::parse(url.expose_secret()).await?;
    // The driver's own 30 s would keep a person waiting for a "try again later".
    options.server_selection_timeout.get_or_insert(Duration::from_secs(3));
    options.connect_timeout.get_or_insert(Duration::from_secs(3));
    options.max_pool_size.get_or_insert(32);
    options.app_name.get_or_insert_with(|| "mixdown".to_owned());
    Client::with_options(options)
}
