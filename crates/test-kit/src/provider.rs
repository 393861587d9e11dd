//! An OpenID Connect provider for tests, which gives wrong answers on demand.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "in a test a panic is the report")]

use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

/// Mixdown's client id at the provider.
pub const CLIENT_ID: &str = "mixdown client";
/// It contains characters that need escaping in `Authorization: Basic`.
pub const CLIENT_SECRET: &str = "s3cret:with/marks";
/// The callback address, unless a test sets another.
pub const REDIRECT_URI: &str = "https://mixdown.test/oidc/main/callback";
const CODE: &str = "the code of this attempt";

/// How the provider answers.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// The algorithm of the ID tokens' signature.
    pub algorithm: Algorithm,
    /// Replaces the key's name in the header.
    pub kid: Option<String>,
    /// Changes the claims of the next ID tokens.
    pub claims: Value,
    /// Replaces the token.
    pub token: Option<String>,
    /// The issuer in the metadata. `None`: the provider itself.
    pub issuer_in_metadata: Option<String>,
    /// Whether requests for the metadata fail.
    pub is_broken: bool,
    /// The callback address.
    pub redirect_uri: String,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::RS256,
            kid: None,
            claims: json!({}),
            token: None,
            issuer_in_metadata: None,
            is_broken: false,
            redirect_uri: REDIRECT_URI.to_owned(),
        }
    }
}

struct Inner {
    issuer: String,
    keys: [(Algorithm, EncodingKey); 3],
    behaviour: Mutex<Behaviour>,
    /// Nonce and challenge of the last sign-in attempt.
    attempt: Mutex<(String, String)>,
    key_requests: Mutex<usize>,
}

/// The provider. It stops when it is dropped.
pub struct Provider {
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Deserialize)]
struct Exchange {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
}

impl Provider {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            issuer,
            keys: [(Algorithm::RS256, rsa()), (Algorithm::ES256, ec()), (Algorithm::EdDSA, ed())],
            behaviour: Mutex::default(),
            attempt: Mutex::default(),
            key_requests: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, task }
    }

    /// The value of the setting that configures it.
    #[must_use]
    pub fn setting(&self) -> String {
        json!([{
            "id": "main", "name": "The Provider", "issuer": self.inner.issuer,
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        }])
        .to_string()
    }

    /// Resets the behaviour to the default, then applies a change.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        let mut behaviour = Behaviour::default();
        change(&mut behaviour);
        *self.inner.behaviour.lock().unwrap() = behaviour;
    }

    /// Its own address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// How often its keys were requested.
    #[must_use]
    pub fn key_requests(&self) -> usize {
        *self.inner.key_requests.lock().unwrap()
    }

    /// Acts as the browser: follows the address and signs in. Returns the callback's state and code.
    #[must_use]
    pub fn sign_in(&self, location: &str) -> (String, String) {
        let url = Url::parse(location).unwrap();
        let value = |name: &str| {
            let pair = url.query_pairs().find(|(key, _)| key == name);
            pair.unwrap_or_else(|| panic!("no {name} in {location}")).1.into_owned()
        };
        assert_eq!(value("response_type"), "code");
        assert_eq!(value("client_id"), CLIENT_ID);
        assert_eq!(value("redirect_uri"), self.inner.behaviour.lock().unwrap().redirect_uri);
        assert_eq!(value("code_challenge_method"), "S256");
        assert!(value("scope").split(' ').any(|scope| scope == "openid"));
        *self.inner.attempt.lock().unwrap() = (value("nonce"), value("code_challenge"));
        (value("state"), CODE.to_owned())
    }

    /// A token with these claims, signed with the key of the algorithm in the header.
    #[must_use]
    pub fn sign(&self, header: &Header, with: Algorithm, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, self.inner.key(with)).unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    fn key(&self, algorithm: Algorithm) -> &EncodingKey {
        &self.keys.iter().find(|(known, _)| *known == algorithm).unwrap().1
    }
}

/// The name of the key of an algorithm.
#[must_use]
pub fn kid_of(algorithm: Algorithm) -> String {
    format!("key for {algorithm:?}")
}

async fn metadata(State(inner): State<Arc<Inner>>) -> Response {
    let behaviour = inner.behaviour.lock().unwrap().clone();
    if behaviour.is_broken {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let issuer = behaviour.issuer_in_metadata.unwrap_or_else(|| inner.issuer.clone());
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{}/authorize", inner.issuer),
        "token_endpoint": format!("{}/token", inner.issuer),
        "jwks_uri": format!("{}/keys", inner.issuer),
    }))
    .into_response()
}

async fn keys(State(inner): State<Arc<Inner>>) -> Json<JwkSet> {
    *inner.key_requests.lock().unwrap() += 1;
    let keys = inner.keys.iter().map(|(algorithm, key)| {
        let mut jwk = Jwk::from_encoding_key(key, *algorithm).unwrap();
        jwk.common.key_id = Some(kid_of(*algorithm));
        jwk
    });
    Json(JwkSet { keys: keys.collect() })
}

async fn token(State(inner): State<Arc<Inner>>, headers: HeaderMap, Form(form): Form<Exchange>) -> Response {
    let basic = STANDARD.encode("mixdown+client:s3cret%3Awith%2Fmarks");
    assert_eq!(headers["authorization"], format!("Basic {basic}"));
    let behaviour = inner.behaviour.lock().unwrap().clone();
    assert_eq!(
        (form.grant_type.as_str(), &form.redirect_uri),
        ("authorization_code", &behaviour.redirect_uri)
    );
    let (nonce, challenge) = inner.attempt.lock().unwrap().clone();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form.code_verifier.as_bytes());
    if form.code != CODE || URL_SAFE_NO_PAD.encode(digest) != challenge {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let now = jsonwebtoken::get_current_timestamp();
    let mut claims = json!({
        "iss": inner.issuer, "aud": CLIENT_ID, "sub": "ada at the provider", "nonce": nonce,
        "iat": now, "exp": now + 300, "email": "ada@example.org", "email_verified": true,
    });
    for (name, value) in behaviour.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut header = Header::new(behaviour.algorithm);
    header.kid = Some(behaviour.kid.unwrap_or_else(|| kid_of(behaviour.algorithm)));
    let id_token = behaviour
        .token
        .unwrap_or_else(|| jsonwebtoken::encode(&header, &claims, inner.key(behaviour.algorithm)).unwrap());
    Json(json!({"access_token": "not ours to use", "token_type": "Bearer", "id_token": id_token}))
        .into_response()
}

fn rsa() -> EncodingKey {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(pkcs8.as_ref())
    );
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

fn ec() -> EncodingKey {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    EncodingKey::from_ec_der(key.to_pkcs8v1().unwrap().as_ref())
}

fn ed() -> EncodingKey {
    let key = Ed25519KeyPair::generate().unwrap();
    EncodingKey::from_ed_der(key.to_pkcs8v1().unwrap().as_ref())
}
