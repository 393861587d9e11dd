use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::{Job, JobId, NoticeState};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use super::Form;
use crate::inbox::Inbox;
use crate::{unique_name, wait_until};

/// No answer takes that long, not even from a system whose servers are away.
const REQUEST_DEADLINE: Duration = Duration::from_mins(1);

/// The services close idle connections after 20 s, which a test that is busy with something else would not
/// notice in time.
const POOL_IDLE: Duration = Duration::from_secs(5);

/// How long a test waits for something that takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A person with an account, and the client that they use.
#[derive(Debug, Clone)]
pub struct User {
    http: reqwest::Client,
    url: String,
    /// Their address, which no other test uses.
    pub email: String,
    /// Their password.
    pub password: String,
    /// An access token of theirs.
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
            // What a test finds in there is what came of the test.
            inbox.delete(&mail).await?;
        }
        let answer = user.log_in().await?;
        ensure!(answer.status() == StatusCode::OK, "the login was answered with {}", answer.status());
        user.token = answer.text().await?;
        Ok(user)
    }

    /// The same person at another gateway.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// Confirms an address with the token out of a mail.
    ///
    /// # Errors
    /// When the token doesn't work.
    pub async fn verify(&self, token: &str) -> Result<()> {
        let body = serde_json::json!({ "token": token });
        let answer = self.anonymous(Method::POST, "/verify").json(&body).send().await?;
        ensure!(answer.status() == StatusCode::NO_CONTENT, "the token was answered with {}", answer.status());
        Ok(())
    }

    /// The answer to a login with the right password.
    ///
    /// # Errors
    /// When there is none.
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

    /// A request of the resumable protocol (tus 1.0.0).
    pub fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("tus-resumable", "1.0.0")
    }

    /// The answer to a GET with the token.
    ///
    /// # Errors
    /// When there is none.
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.request(Method::GET, path).send().await.with_context(|| format!("GET {path} got no answer"))
    }

    /// The answer to a DELETE with the token.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete(&self, path: &str) -> Result<Response> {
        self.request(Method::DELETE, path)
            .send()
            .await
            .with_context(|| format!("DELETE {path} got no answer"))
    }

    /// The answer to an upload.
    ///
    /// # Errors
    /// When there is none.
    pub async fn post(&self, form: Form) -> Result<Response> {
        let request = self.request(Method::POST, "/upload").header("content-type", Form::content_type());
        request.body(form.into_body()).send().await.context("the upload got no answer")
    }

    /// Uploads a form and gives the job that was accepted.
    ///
    /// # Errors
    /// When it wasn't.
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

    /// Uploads a file and gives the job that was accepted.
    ///
    /// # Errors
    /// When it wasn't.
    pub async fn upload(&self, path: &Path) -> Result<Job> {
        self.submit(Form::of_file(path).await?).await
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// When it isn't there.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        let answer = self.get(&format!("/jobs/{id}")).await?;
        ensure!(answer.status() == StatusCode::OK, "the job was answered with {}", answer.status());
        answer.json().await.context("the answer is no job")
    }

    /// The newest hundred jobs.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn jobs(&self) -> Result<Vec<Job>> {
        let answer = self.get("/jobs?limit=100").await?;
        ensure!(answer.status() == StatusCode::OK, "the list was answered with {}", answer.status());
        Ok(answer.json::<Page>().await.context("the answer is no list of jobs")?.jobs)
    }

    /// Waits until a job is as wanted.
    ///
    /// # Panics
    /// When it isn't within two minutes.
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
    /// When it hasn't within two minutes.
    pub async fn wait_for_outcome(&self, id: JobId) -> Job {
        self.wait_for(id, "the job has ended and its mail is sent", |job| {
            job.status.is_finished() && job.notices.iter().any(|notice| notice.state == NoticeState::Sent)
        })
        .await
    }

    /// The MP3 of a converted job.
    ///
    /// # Errors
    /// When it has none or it can't be read.
    pub async fn download(&self, job: &Job) -> Result<Vec<u8>> {
        let audio = job.audio.as_ref().context("the job has no MP3")?;
        let answer = self.get(&format!("/download?fid={}", audio.fid)).await?;
        ensure!(answer.status() == StatusCode::OK, "the download was answered with {}", answer.status());
        Ok(answer.bytes().await?.to_vec())
    }
}
