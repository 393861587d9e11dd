//! The gateway's side of auth's HTTP interface.

use std::time::Duration;

use contracts::{
    Erasures, IssuedTokens, KeyCheck, KeyHolder, LoginRequest, Me, OidcFinish, OidcStart, OidcStarted,
    ProblemCode, Providers, RefreshRequest, Revocations, UserId,
};
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::http::CLIENT_IDLE;

use crate::error::Error;
use crate::identity::caller::Person;

/// Auth, over HTTP.
pub(crate) struct AuthClient {
    http: reqwest::Client,
    auth: Url,
}

#[derive(Deserialize)]
struct ProblemBody {
    code: ProblemCode,
    detail: Option<String>,
}

impl AuthClient {
    pub(crate) fn new(auth: Url) -> Result<Self, reqwest::Error> {
        // Longer than auth lets a login wait for its turn at hashing, and than it waits for an identity provider.
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(15))
            .pool_idle_timeout(CLIENT_IDLE)
            .build()?;
        Ok(Self { http, auth })
    }

    pub(crate) async fn login(&self, request: &LoginRequest) -> Result<IssuedTokens, Error> {
        read(self.post("/login", request).await?).await
    }

    pub(crate) async fn refresh(&self, request: &RefreshRequest) -> Result<IssuedTokens, Error> {
        read(self.post("/token/refresh", request).await?).await
    }

    /// Something for somebody who is not signed in, whose answer says nothing.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Response, Error> {
        answered(self.request(Method::POST, &[path.trim_start_matches('/')]).json(body)).await
    }

    /// Something for a person, with their own token: auth checks it by itself. The address is made of these parts.
    pub(crate) fn request_of(&self, person: &Person, method: Method, path: &[&str]) -> RequestBuilder {
        self.request(method, path).bearer_auth(&person.token)
    }

    pub(crate) async fn me(&self, token: &str) -> Result<Me, Error> {
        read(answered(self.request(Method::GET, &["me"]).bearer_auth(token)).await?).await
    }

    pub(crate) async fn providers(&self) -> Result<Providers, Error> {
        read(answered(self.request(Method::GET, &["oidc", "providers"])).await?).await
    }

    pub(crate) async fn start_elsewhere(
        &self,
        provider: &str,
        start: &OidcStart,
    ) -> Result<OidcStarted, Error> {
        read(answered(self.request(Method::POST, &["oidc", provider, "start"]).json(start)).await?).await
    }

    pub(crate) async fn finish_elsewhere(
        &self,
        provider: &str,
        finish: &OidcFinish,
    ) -> Result<IssuedTokens, Error> {
        read(answered(self.request(Method::POST, &["oidc", provider, "finish"]).json(finish)).await?).await
    }

    pub(crate) async fn revocations(&self) -> Result<Revocations, Error> {
        read(answered(self.request(Method::GET, &["internal", "revocations"])).await?).await
    }

    pub(crate) async fn check_key(&self, check: &KeyCheck) -> Result<KeyHolder, Error> {
        read(answered(self.request(Method::POST, &["internal", "keys", "check"]).json(check)).await?).await
    }

    pub(crate) async fn erasures(&self) -> Result<Erasures, Error> {
        read(answered(self.request(Method::GET, &["internal", "erasures"])).await?).await
    }

    pub(crate) async fn erasure_done(&self, account: UserId) -> Result<(), Error> {
        let path = ["internal", "erasures", &account.to_string(), "done"];
        answered(self.request(Method::POST, &path)).await.map(drop)
    }

    /// Each part is one segment, whatever is in it: nobody gets from `/oidc/…` to another route by what they call a provider.
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut address = self.auth.clone();
        if let [one] = path
            && one.contains('/')
        {
            address.set_path(one);
        } else if let Ok(mut segments) = address.path_segments_mut() {
            segments.clear().extend(path);
        }
        let request = self.http.request(method, address);
        match service_kit::http::request_id_header() {
            Some((name, id)) => request.header(name, id),
            None => request,
        }
    }
}

/// The answer, if auth did what it was asked to.
pub(crate) async fn answered(request: RequestBuilder) -> Result<Response, Error> {
    let answer = request.send().await.map_err(Error::Auth)?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    if answer.status() == StatusCode::INTERNAL_SERVER_ERROR {
        return Err(Error::AuthAnswer);
    }
    let retry_after = answer.headers().get(RETRY_AFTER).cloned();
    // Auth's codes are ours: both take them from one table.
    match answer.json::<ProblemBody>().await {
        Ok(ProblemBody { code, detail }) => {
            let mut problem = Problem::new(code);
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

/// What the answer holds.
pub(crate) async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, Error> {
    answer.json().await.map_err(Error::Auth)
}
