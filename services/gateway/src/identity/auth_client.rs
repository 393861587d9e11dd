//! The gateway's side of auth's HTTP interface: one method for each endpoint.

use std::sync::Arc;
use std::time::Duration;

use contracts::{
    AccountChange, AccountPage, AccountSummary, AddressChange, AddressRequest, ApiKeyId, ApiKeys,
    CreatedApiKey, ErasureRequest, Erasures, IssuedTokens, KeyCheck, KeyHolder, LoginRequest, Me, MeChange,
    NewApiKey, OidcFinish, OidcStart, OidcStarted, PasswordChange, ProblemCode, Providers, RefreshRequest,
    ResetRequest, Secret, SessionId, Sessions, UserId, VerifyRequest,
};
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::http::CLIENT_IDLE;
use service_kit::{Chain, FieldError, Problem};
use utoipa::{IntoParams, ToSchema};

use super::revocations::Revocations;
use crate::error::Error;

/// Auth, over HTTP.
pub(crate) struct AuthClient {
    http: reqwest::Client,
    auth: Url,
    revocations: Arc<Revocations>,
}

/// An e-mail address and a password for a new account.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Registration {
    /// Where its mails go.
    #[schema(format = Email, example = "ada@example.org")]
    email: String,
    /// The password: 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    password: Secret,
}

/// Which accounts.
#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountSearch {
    /// A part of the address.
    q: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<UserId>,
}

impl AuthClient {
    pub(crate) fn new(auth: Url, revocations: Arc<Revocations>) -> Result<Self, reqwest::Error> {
        // The timeout is longer than auth's own: for a login that waits for its turn at hashing, and for an
        // identity provider.
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(15))
            .pool_idle_timeout(CLIENT_IDLE)
            .build()?;
        Ok(Self { http, auth, revocations })
    }

    pub(crate) async fn register(&self, registration: &Registration) -> Result<(), Error> {
        self.post(&["register"], registration).await.map(drop)
    }

    pub(crate) async fn verify_address(&self, request: &VerifyRequest) -> Result<(), Error> {
        self.post(&["verify"], request).await.map(drop)
    }

    pub(crate) async fn resend_verification(&self, request: &AddressRequest) -> Result<(), Error> {
        self.post(&["verify", "resend"], request).await.map(drop)
    }

    pub(crate) async fn forgot_password(&self, request: &AddressRequest) -> Result<(), Error> {
        self.post(&["password", "forgot"], request).await.map(drop)
    }

    /// Ends all of the account's sessions.
    pub(crate) async fn reset_password(&self, request: &ResetRequest) -> Result<(), Error> {
        self.post(&["password", "reset"], request).await?;
        self.learn_of_ended_sessions().await;
        Ok(())
    }

    pub(crate) async fn login(&self, request: &LoginRequest) -> Result<IssuedTokens, Error> {
        read(self.post(&["login"], request).await?).await
    }

    pub(crate) async fn refresh_tokens(&self, token: Secret) -> Result<IssuedTokens, Error> {
        let request = RefreshRequest { refresh_token: Some(token) };
        read(self.post(&["token", "refresh"], &request).await?).await
    }

    /// Ends the session of this refresh token.
    pub(crate) async fn logout(&self, token: Secret) -> Result<(), Error> {
        self.post(&["logout"], &RefreshRequest { refresh_token: Some(token) }).await?;
        self.learn_of_ended_sessions().await;
        Ok(())
    }

    pub(crate) async fn list_sessions(&self, token: &str) -> Result<Sessions, Error> {
        read(send(self.request_of(token, Method::GET, &["sessions"])).await?).await
    }

    pub(crate) async fn end_session(&self, token: &str, id: SessionId) -> Result<(), Error> {
        send(self.request_of(token, Method::DELETE, &["sessions", &id.to_string()])).await?;
        self.learn_of_ended_sessions().await;
        Ok(())
    }

    pub(crate) async fn end_all_sessions(&self, token: &str) -> Result<(), Error> {
        send(self.request_of(token, Method::DELETE, &["sessions"])).await?;
        self.learn_of_ended_sessions().await;
        Ok(())
    }

    pub(crate) async fn get_me(&self, token: &str) -> Result<Me, Error> {
        read(send(self.request_of(token, Method::GET, &["me"])).await?).await
    }

    pub(crate) async fn change_me(&self, token: &str, change: &MeChange) -> Result<Me, Error> {
        read(send(self.request_of(token, Method::PATCH, &["me"]).json(change)).await?).await
    }

    /// Ends all of the account's sessions and keys. The gateway must erase the account's jobs.
    pub(crate) async fn begin_erasure(&self, token: &str, request: &ErasureRequest) -> Result<(), Error> {
        send(self.request_of(token, Method::DELETE, &["me"]).json(request)).await?;
        self.learn_of_ended_sessions().await;
        Ok(())
    }

    /// Ends all of the account's sessions.
    pub(crate) async fn change_password(&self, token: &str, change: &PasswordChange) -> Result<(), Error> {
        send(self.request_of(token, Method::POST, &["me", "password"]).json(change)).await?;
        self.learn_of_ended_sessions().await;
        Ok(())
    }

    pub(crate) async fn change_address(&self, token: &str, change: &AddressChange) -> Result<(), Error> {
        send(self.request_of(token, Method::POST, &["me", "email"]).json(change)).await.map(drop)
    }

    pub(crate) async fn list_keys(&self, token: &str) -> Result<ApiKeys, Error> {
        read(send(self.request_of(token, Method::GET, &["keys"])).await?).await
    }

    pub(crate) async fn create_key(&self, token: &str, new: &NewApiKey) -> Result<CreatedApiKey, Error> {
        read(send(self.request_of(token, Method::POST, &["keys"]).json(new)).await?).await
    }

    pub(crate) async fn delete_key(&self, token: &str, id: ApiKeyId) -> Result<(), Error> {
        send(self.request_of(token, Method::DELETE, &["keys", &id.to_string()])).await.map(drop)
    }

    pub(crate) async fn list_providers(&self) -> Result<Providers, Error> {
        read(send(self.request(Method::GET, &["oidc", "providers"])).await?).await
    }

    pub(crate) async fn start_oidc(&self, provider: &str, start: &OidcStart) -> Result<OidcStarted, Error> {
        read(self.post(&["oidc", provider, "start"], start).await?).await
    }

    pub(crate) async fn finish_oidc(
        &self,
        provider: &str,
        finish: &OidcFinish,
    ) -> Result<IssuedTokens, Error> {
        read(self.post(&["oidc", provider, "finish"], finish).await?).await
    }

    pub(crate) async fn list_accounts(
        &self,
        token: &str,
        search: &AccountSearch,
    ) -> Result<AccountPage, Error> {
        read(send(self.request_of(token, Method::GET, &["admin", "users"]).query(search)).await?).await
    }

    /// May end the account's sessions.
    pub(crate) async fn change_account(
        &self,
        token: &str,
        id: UserId,
        change: &AccountChange,
    ) -> Result<AccountSummary, Error> {
        let path = ["admin", "users", &id.to_string()];
        let changed = read(send(self.request_of(token, Method::PATCH, &path).json(change)).await?).await?;
        self.learn_of_ended_sessions().await;
        Ok(changed)
    }

    /// Asks which sessions and accounts have ended.
    pub(crate) async fn refresh_revocations(&self) -> Result<(), Error> {
        self.revocations.learn(self.get_revocations().await?);
        Ok(())
    }

    pub(crate) async fn get_revocations(&self) -> Result<contracts::Revocations, Error> {
        read(send(self.request(Method::GET, &["internal", "revocations"])).await?).await
    }

    pub(crate) async fn check_key(&self, check: &KeyCheck) -> Result<KeyHolder, Error> {
        read(self.post(&["internal", "keys", "check"], check).await?).await
    }

    pub(crate) async fn list_erasures(&self) -> Result<Erasures, Error> {
        read(send(self.request(Method::GET, &["internal", "erasures"])).await?).await
    }

    pub(crate) async fn finish_erasure(&self, account: UserId) -> Result<(), Error> {
        let path = ["internal", "erasures", &account.to_string(), "done"];
        send(self.request(Method::POST, &path)).await.map(drop)
    }

    /// This gateway learns at once of sessions that ended through it; the others learn of them in their next
    /// round.
    async fn learn_of_ended_sessions(&self) {
        if let Err(error) = self.refresh_revocations().await {
            tracing::warn!(error = %Chain(&error), "could not ask auth which sessions have ended");
        }
    }

    async fn post(&self, path: &[&str], body: &impl Serialize) -> Result<Response, Error> {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// A request with the person's own token, which auth checks by itself.
    fn request_of(&self, token: &str, method: Method, path: &[&str]) -> RequestBuilder {
        self.request(method, path).bearer_auth(token)
    }

    /// Each part is one path segment, whatever it contains. So a provider's name cannot lead from `/oidc/…`
    /// to another route.
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut address = self.auth.clone();
        if let Ok(mut segments) = address.path_segments_mut() {
            segments.clear().extend(path);
        }
        let request = self.http.request(method, address);
        match service_kit::http::request_id_header() {
            Some((name, id)) => request.header(name, id),
            None => request,
        }
    }
}

#[derive(Deserialize)]
struct ProblemBody {
    code: ProblemCode,
    detail: Option<String>,
    #[serde(default)]
    errors: Vec<FieldError>,
}

/// Returns the answer if auth succeeded. Otherwise passes auth's problem on to the client: both services take
/// their codes from one table.
async fn send(request: RequestBuilder) -> Result<Response, Error> {
    let answer = request.send().await.map_err(Error::Auth)?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    if answer.status() == StatusCode::INTERNAL_SERVER_ERROR {
        return Err(Error::AuthAnswer);
    }
    let retry_after = answer.headers().get(RETRY_AFTER).cloned();
    match answer.json::<ProblemBody>().await {
        Ok(ProblemBody { code, detail, errors }) => {
            let mut problem = Problem::new(code).with_errors(errors);
            if let Some(detail) = detail {
                problem = problem.with_detail(detail);
            }
            if let Some(wait) = retry_after.filter(|_| code == ProblemCode::TooManyRequests) {
                problem = problem.with_header(RETRY_AFTER, wait);
            }
            Err(problem.into())
        }
        Err(_) => Err(Error::AuthAnswer),
    }
}

/// Reads the answer's JSON.
async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, Error> {
    answer.json().await.map_err(Error::Auth)
}
