//! OpenID Connect (Core 1.0): the authorization code flow with PKCE (RFC 7636), as a client of configured
//! providers.
//!
//! A cookie ties the provider's answer to the browser that started: it holds the state, the nonce and the
//! PKCE verifier, each 256 random bits. auth stores nothing between start and finish.

mod id_token;
mod provider;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::{EmailAddress, OidcFinish, OidcStarted, Provider as PublicProvider, Providers};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::tokens::opaque;
use provider::Provider;

/// A user, as identified by a provider.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// The address, if the provider has confirmed it.
    pub(crate) email: Option<EmailAddress>,
}

/// Why a sign-in with a provider failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    #[error("could not reach the provider")]
    Away(#[source] reqwest::Error),
    #[error("the provider answered with status {0}")]
    Status(u16),
    #[error("the provider's answer is too long or not what it should be: {0}")]
    Malformed(&'static str),
    #[error("the callback does not belong to a sign-in that this browser began")]
    Attempt,
    #[error("the ID token is refused: {0}")]
    IdToken(&'static str),
    #[error("the ID token's signature or times are not right")]
    Signature(#[source] jsonwebtoken::errors::Error),
    #[error("the settings name no such provider")]
    UnknownProvider,
    #[error("could not get random bytes")]
    Random(#[from] Unspecified),
}

/// The settings of a provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderConfig {
    id: String,
    name: String,
    issuer: String,
    client_id: String,
    client_secret: SecretString,
}

/// `OIDC_PROVIDERS` is malformed. The message omits its value, which holds secrets.
#[derive(Debug, thiserror::Error)]
#[error(
    "OIDC_PROVIDERS is not a JSON list of {{\"id\", \"name\", \"issuer\", \"client_id\", \"client_secret\"}}: {0}"
)]
pub(crate) struct InvalidProviders(&'static str);

/// All providers.
pub(crate) struct Oidc {
    providers: Vec<Provider>,
}

/// The content of the browser's cookie: the provider's id and the three values.
struct Attempt<'a> {
    provider: &'a str,
    state: &'a str,
    nonce: &'a str,
    verifier: &'a str,
}

impl Oidc {
    pub(crate) fn new(setting: Option<&SecretString>) -> Result<Self, InvalidProviders> {
        let configs: Vec<ProviderConfig> = match setting.map(ExposeSecret::expose_secret) {
            None | Some("") => Vec::new(),
            Some(text) => serde_json::from_str(text).map_err(|_| InvalidProviders("it can't be read"))?,
        };
        let providers: Vec<_> = configs.into_iter().map(Provider::new).collect::<Result<_, _>>()?;
        let mut ids: Vec<&str> = providers.iter().map(Provider::id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != providers.len() {
            return Err(InvalidProviders("two have the same id"));
        }
        Ok(Self { providers })
    }

    pub(crate) fn providers(&self) -> Providers {
        let public = |provider: &Provider| PublicProvider {
            id: provider.id().to_owned(),
            name: provider.name().to_owned(),
        };
        Providers { providers: self.providers.iter().map(public).collect() }
    }

    /// Starts a sign-in: the address for the browser, and the content of its cookie.
    pub(crate) async fn start(&self, provider: &str, redirect_uri: &str) -> Result<OidcStarted, OidcError> {
        let provider = self.find(provider)?;
        let random = || opaque::random_bytes().map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let (state, nonce, verifier) = (random()?, random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let location = provider.authorization_url(redirect_uri, &state, &nonce, &challenge).await?;
        let attempt = format!("{}.{state}.{nonce}.{verifier}", provider.id());
        Ok(OidcStarted { location, attempt: attempt.into() })
    }

    /// Finishes a sign-in: exchanges the code and verifies the ID token.
    pub(crate) async fn finish(&self, provider: &str, finish: OidcFinish) -> Result<Identity, OidcError> {
        let provider = self.find(provider)?;
        let attempt = Attempt::parse(finish.attempt.expose()).ok_or(OidcError::Attempt)?;
        // Without this check, one provider's code could be sent to another.
        if attempt.provider != provider.id() || !is_same(attempt.state, finish.state.expose()) {
            return Err(OidcError::Attempt);
        }
        if finish.iss.as_deref().is_some_and(|issuer| issuer != provider.issuer()) {
            return Err(OidcError::Attempt);
        }
        let id_token =
            provider.exchange(finish.code.expose(), attempt.verifier, &finish.redirect_uri).await?;
        provider.verify(&id_token, attempt.nonce).await
    }

    fn find(&self, id: &str) -> Result<&Provider, OidcError> {
        self.providers.iter().find(|provider| provider.id() == id).ok_or(OidcError::UnknownProvider)
    }
}

impl<'a> Attempt<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('.');
        let attempt = Self {
            provider: parts.next()?,
            state: parts.next()?,
            nonce: parts.next()?,
            verifier: parts.next()?,
        };
        let is_whole = [attempt.state, attempt.nonce, attempt.verifier].iter().all(|value| value.len() == 43);
        (is_whole && parts.next().is_none()).then_some(attempt)
    }
}

fn is_same(left: &str, right: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_provider_settings_are_refused_without_being_shown() {
        let provider = |id: &str, issuer: &str| {
            format!(
                r#"{{"id":"{id}","name":"N","issuer":"{issuer}","client_id":"c","client_secret":"s3cret"}}"#
            )
        };
        let right = format!("[{}]", provider("main", "https://id.example.org"));
        assert_eq!(Oidc::new(Some(&right.into())).ok().map(|oidc| oidc.providers.len()), Some(1));
        for wrong in [
            "s3cret".to_owned(),
            provider("main", "https://id.example.org"),
            format!("[{}]", provider("main", "http://id.example.org")),
            format!("[{}]", provider("main", "https://id.example.org/?a=b")),
            format!("[{}]", provider("Main.x", "https://id.example.org")),
            format!("[{0},{0}]", provider("main", "https://id.example.org")),
        ] {
            let error = Oidc::new(Some(&wrong.clone().into())).err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| !error.contains("s3cret")), "{wrong}: {error:?}");
        }
    }

    #[test]
    fn attempts_have_four_parts_of_the_right_length() {
        let value = "a".repeat(43);
        assert!(Attempt::parse(&format!("main.{value}.{value}.{value}")).is_some());
        for wrong in [
            String::new(),
            format!("main.{value}.{value}"),
            format!("main.{value}.{value}.{value}.x"),
            format!("main.{value}..{value}"),
        ] {
            assert!(Attempt::parse(&wrong).is_none(), "{wrong}");
        }
    }
}
