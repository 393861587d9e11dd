//! One identity provider, over HTTP.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::id_token::{Expected, verify};
use super::{Identity, InvalidProviders, OidcError, ProviderConfig};

/// OpenID Connect Discovery 1.0, section 3: the fields used here.
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

pub(super) struct Provider {
    config: ProviderConfig,
    http: reqwest::Client,
    metadata: Mutex<Option<(Instant, Metadata)>>,
    keys: Mutex<Option<(Instant, JwkSet)>>,
}

/// Enough for a slow provider, and shorter than the gateway's timeout for auth.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Ten times the answers of the largest providers.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

const KEEP_FOR: Duration = Duration::from_hours(1);

/// Tokens with made-up `kid`s must not become requests to the provider.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl Provider {
    pub(super) fn new(config: ProviderConfig) -> Result<Self, InvalidProviders> {
        let is_name = (1..=32).contains(&config.id.len())
            && config
                .id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_name {
            return Err(InvalidProviders("an id is made of 1 to 32 of a-z, 0-9 and -"));
        }
        let issuer = Url::parse(&config.issuer).map_err(|_| InvalidProviders("an issuer is no address"))?;
        if !is_safe(&issuer) || issuer.query().is_some() || issuer.fragment().is_some() {
            return Err(InvalidProviders("an issuer is an https address without query"));
        }
        let http = reqwest::Client::builder()
            // A redirect could lead to a server that the settings do not name.
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|_| InvalidProviders("no HTTP client can be made"))?;
        Ok(Self { config, http, metadata: Mutex::default(), keys: Mutex::default() })
    }

    pub(super) fn id(&self) -> &str {
        &self.config.id
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// The address that the browser goes to (Core, section 3.1.2.1).
    pub(super) async fn authorization_url(
        &self,
        redirect_uri: &str,
        state: &str,
        nonce: &str,
        challenge: &str,
    ) -> Result<String, OidcError> {
        let mut url = endpoint(&self.metadata().await?.authorization_endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", "openid email")
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// The ID token for a code (Core, section 3.1.3).
    pub(super) async fn exchange(
        &self,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<SecretString, OidcError> {
        let metadata = self.metadata().await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let (id, secret) = (self.config.client_id.as_str(), self.config.client_secret.expose_secret());
        // Basic is the default of a provider that names no method.
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
        let takes = |method: &str| methods.iter().any(|known| known == method);
        let request = self.http.post(endpoint(&metadata.token_endpoint)?);
        let request = if takes("client_secret_post") && !takes("client_secret_basic") {
            form.extend([("client_id", id), ("client_secret", secret)]);
            request.form(&form)
        } else {
            // Both are form-encoded first (RFC 6749, section 2.3.1).
            let encoded = |text: &str| url_encoded(text);
            request.basic_auth(encoded(id), Some(encoded(secret))).form(&form)
        };
        let answer: TokenAnswer = fetch(request).await?;
        Ok(answer.id_token.into())
    }

    /// Whom an ID token is about, if the provider made it for us and for this attempt.
    pub(super) async fn verify(&self, id_token: &SecretString, nonce: &str) -> Result<Identity, OidcError> {
        let id_token = id_token.expose_secret();
        let header = jsonwebtoken::decode_header(id_token).map_err(OidcError::Signature)?;
        let expected = Expected { issuer: &self.config.issuer, client_id: &self.config.client_id, nonce };
        let keys = self.keys(header.kid.as_deref()).await?;
        verify(id_token, &header, &keys, &expected)
    }

    async fn metadata(&self) -> Result<Metadata, OidcError> {
        let mut kept = self.metadata.lock().await;
        if let Some((at, metadata)) = &*kept
            && at.elapsed() < KEEP_FOR
        {
            return Ok(metadata.clone());
        }
        let address =
            format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let fetched: Metadata = fetch(self.http.get(endpoint(&address)?)).await?;
        // Discovery, section 4.3: without this check one provider could speak for another.
        if fetched.issuer != self.config.issuer {
            return Err(OidcError::Malformed("its metadata name another issuer"));
        }
        *kept = Some((Instant::now(), fetched.clone()));
        Ok(fetched)
    }

    async fn keys(&self, kid: Option<&str>) -> Result<JwkSet, OidcError> {
        let address = self.metadata().await?.jwks_uri;
        let mut kept = self.keys.lock().await;
        if let Some((at, keys)) = &*kept {
            let is_known = kid.is_none_or(|kid| keys.find(kid).is_some());
            let max_age = if is_known { KEEP_FOR } else { ASK_AGAIN_AFTER };
            if at.elapsed() < max_age {
                return Ok(keys.clone());
            }
        }
        let fetched: JwkSet = fetch(self.http.get(endpoint(&address)?)).await?;
        *kept = Some((Instant::now(), fetched.clone()));
        Ok(fetched)
    }
}

/// Whether the address is encrypted, or on this machine, where tests and proxies are.
fn is_safe(url: &Url) -> bool {
    let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && is_local)
}

fn endpoint(text: &str) -> Result<Url, OidcError> {
    let url = Url::parse(text).map_err(|_| OidcError::Malformed("an endpoint is no address"))?;
    if is_safe(&url) { Ok(url) } else { Err(OidcError::Malformed("an endpoint is not encrypted")) }
}

/// `application/x-www-form-urlencoded`.
fn url_encoded(text: &str) -> String {
    let mut url = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => url.push(byte.into()),
            b' ' => url.push('+'),
            byte => {
                // Writing to a string can't fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

async fn fetch<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, OidcError> {
    let mut answer = request.header("accept", "application/json").send().await.map_err(away)?;
    let status = answer.status();
    if !status.is_success() {
        return Err(OidcError::Status(status.as_u16()));
    }
    let is_json = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("json"));
    if !is_json {
        return Err(OidcError::Malformed("it is not JSON"));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(away)? {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(OidcError::Malformed("it is too long"));
        }
        body.extend_from_slice(&piece);
    }
    // serde's own message is left out: it repeats what was sent.
    serde_json::from_slice(&body).map_err(|_| OidcError::Malformed("it has other fields"))
}

fn away(error: reqwest::Error) -> OidcError {
    // The address may hold a code.
    OidcError::Away(error.without_url())
}
