//! The gateway's side of auth's HTTP interface.

use std::time::Duration;

use contracts::ProblemCode;
use reqwest::{StatusCode, Url};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use utoipa::ToSchema;

use crate::error::Error;

/// An e-mail address and a password, as a client sends them.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Credentials {
    /// The account's e-mail address.
    #[schema(format = Email, example = "ada@example.org")]
    pub(crate) email: String,
    /// The password: 8 to 128 characters.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    pub(crate) password: SecretString,
}

/// What a login gives.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// The token for the `Authorization: Bearer` header.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: String,
    /// How long the token lasts, in seconds.
    pub(crate) expires_in: u64,
}

/// Auth, over HTTP.
pub(crate) struct Accounts {
    http: reqwest::Client,
    auth: Url,
}

#[derive(Serialize)]
struct CredentialsBody<'a> {
    email: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct ProblemBody {
    code: ProblemCode,
}

impl Accounts {
    pub(crate) fn new(auth: Url) -> Result<Self, reqwest::Error> {
        // Longer than auth lets a login wait for its turn at hashing.
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(15))
            .build()?;
        Ok(Self { http, auth })
    }

    pub(crate) async fn register(&self, credentials: &Credentials) -> Result<(), Error> {
        self.post("/register", credentials).await.map(drop)
    }

    pub(crate) async fn login(&self, credentials: &Credentials) -> Result<TokenAnswer, Error> {
        self.post("/login", credentials).await?.json().await.map_err(Error::Auth)
    }

    async fn post(&self, path: &str, credentials: &Credentials) -> Result<reqwest::Response, Error> {
        use secrecy::ExposeSecret as _;

        let mut address = self.auth.clone();
        address.set_path(path);
        let body =
            CredentialsBody { email: &credentials.email, password: credentials.password.expose_secret() };
        let answer = self.http.post(address).json(&body).send().await.map_err(Error::Auth)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        if answer.status() == StatusCode::INTERNAL_SERVER_ERROR {
            return Err(Error::AuthAnswer);
        }
        // Auth's codes are ours: both take them from one table.
        match answer.json::<ProblemBody>().await {
            Ok(problem) => Err(Problem::new(problem.code).into()),
            Err(_) => Err(Error::AuthAnswer),
        }
    }
}
