use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::{Job, JobId, NoticeState};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use super::Form;
use crate::inbox::Inbox;
use crate::{unique_name, wait_until};

/// Every answer comes sooner, even while the servers are down.
const REQUEST_DEADLINE: Duration = Duration::from_mins(1);

/// Shorter than the services' own limit of 20 s for idle connections. A busy test would not notice in time
/// that a service has closed one.
const POOL_IDLE: Duration = Duration::from_secs(5);

/// The timeout for something that takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A user with an account, and the HTTP client.
#[derive(Debug, Clone)]
pub struct User {
    http: reqwest::Client,
    url: String,
    /// The address. No other test uses it.
    pub email: String,
    /// The password.
    pub password: String,
    /// An access token.
    pub token: String,
}

#[derive(Deserialize)]
struct Page {
    jobs: Vec<Job>,
}

impl User {
    pub(super) async fn register(url: &str, inbox: Option<&Inbox>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_DEADLINE)
            .pool_idle_timeout(POOL_IDLE)
            .build()?;
        let mut user = Self {
            http,
            url: url.to_owned(),
            email: format!("{}@example.org", unique_name("ada")),
            password: unique_name("secret"),
            token: String::new(),
        };
        let body = serde_json::json!({ "email": user.email, "password": user.password });
        let answer = user.anonymous(Method::POST, "/register").json(&body).send().await?;
        ensure!(
            answer.status() == StatusCode::CREATED,
            "the registration was answered with {}",
            answer.status()
        );
        if let Some(inbox) = inbox {
            let mail = inbox.wait_for_mail(&user.email, PATIENCE).await;
            user.verify(mail.token().context("the mail has no token")?).await?;
            // A test must find only its own mails in the inbox.
            inbox.delete(&mail).await?;
        }
        let answer = user.log_in().await?;
        ensure!(answer.status() == StatusCode::OK, "the login was answered with {}", answer.status());
        user.token = answer.text().await?;
        Ok(user)
    }

    /// The same user at another gateway.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// Confirms an address with the token from a mail.
    ///
    /// # Errors
    /// The token is refused.
    pub async fn verify(&self, token: &str) -> Result<()> {
        let body = serde_json::json!({ "token": token });
        let answer = self.anonymous(Method::POST, "/verify").json(&body).send().await?;
        ensure!(answer.status() == StatusCode::NO_CONTENT, "the token was answered with {}", answer.status());
        Ok(())
    }

    /// The answer to a login with the right password.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub async fn log_in(&self) -> Result<Response> {
        let request = self.anonymous(Method::POST, "/login").basic_auth(&self.email, Some(&self.password));
        request.send().await.context("the login got no answer")
    }

    /// A request without the token.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.token)
    }

    /// A request of the resumable upload protocol (tus 1.0.0).
    pub fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("tus-resumable", "1.0.0")
    }

    /// The answer to a GET with the token.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.request(Method::GET, path).send().await.with_context(|| format!("GET {path} got no answer"))
    }

    /// The answer to a DELETE with the token.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub async fn delete(&self, path: &str) -> Result<Response> {
        self.request(Method::DELETE, path)
            .send()
            .await
            .with_context(|| format!("DELETE {path} got no answer"))
    }

    /// The answer to an upload.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub async fn post(&self, form: Form) -> Result<Response> {
        let request = self.request(Method::POST, "/upload").header("content-type", Form::content_type());
        request.body(form.into_body()).send().await.context("the upload got no answer")
    }

    /// Uploads a form. Returns the accepted job.
    ///
    /// # Errors
    /// The upload was refused.
    pub async fn submit(&self, form: Form) -> Result<Job> {
        let answer = self.post(form).await?;
        let status = answer.status();
        let location = answer.headers().get("location").cloned();
        let text = answer.text().await?;
        ensure!(status == StatusCode::ACCEPTED, "the upload was answered with {status}: {text}");
        let job: Job = serde_json::from_str(&text).context("the answer to the upload is no job")?;
        let expected = format!("/jobs/{}", job.id);
        ensure!(location.is_some_and(|location| location == expected.as_str()), "Location is not {expected}");
        Ok(job)
    }

    /// Uploads a file. Returns the accepted job.
    ///
    /// # Errors
    /// The upload was refused.
    pub async fn upload(&self, path: &Path) -> Result<Job> {
        self.submit(Form::of_file(path).await?).await
    }

    /// Gets a job.
    ///
    /// # Errors
    /// It does not exist.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        let answer = self.get(&format!("/jobs/{id}")).await?;
        ensure!(answer.status() == StatusCode::OK, "the job was answered with {}", answer.status());
        answer.json().await.context("the answer is no job")
    }

    /// The newest hundred jobs.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn jobs(&self) -> Result<Vec<Job>> {
        let answer = self.get("/jobs?limit=100").await?;
        ensure!(answer.status() == StatusCode::OK, "the list was answered with {}", answer.status());
        Ok(answer.json::<Page>().await.context("the answer is no list of jobs")?.jobs)
    }

    /// Waits until a job meets a condition.
    ///
    /// # Panics
    /// It does not within two minutes.
    pub async fn wait_for(&self, id: JobId, what: &str, wanted: impl Fn(&Job) -> bool) -> Job {
        wait_until(what, PATIENCE, async || {
            let job = self.job(id).await?;
            if wanted(&job) { Ok(job) } else { bail!("it is {:?}, {:?}", job.status, job.progress) }
        })
        .await
    }

    /// Waits until a job has ended and the mail about it was sent.
    ///
    /// # Panics
    /// It does not happen within two minutes.
    pub async fn wait_for_outcome(&self, id: JobId) -> Job {
        self.wait_for(id, "the job has ended and its mail is sent", |job| {
            job.status.is_finished() && job.notices.iter().any(|notice| notice.state == NoticeState::Sent)
        })
        .await
    }

    /// The audio file of a converted job.
    ///
    /// # Errors
    /// The job has none, or it cannot be read.
    pub async fn download(&self, job: &Job) -> Result<Vec<u8>> {
        let audio = job.audio.as_ref().context("the job has no MP3")?;
        let answer = self.get(&format!("/download?fid={}", audio.fid)).await?;
        ensure!(answer.status() == StatusCode::OK, "the download was answered with {}", answer.status());
        Ok(answer.bytes().await?.to_vec())
    }
}
