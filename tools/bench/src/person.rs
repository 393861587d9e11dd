//! Someone who uses the system over HTTP.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Body, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use test_kit::inbox::Inbox;
use test_kit::unique_name;
use tokio::io::AsyncReadExt as _;

/// The unit in which bytes are written and read, here and by the driver's streams.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Random, so that MongoDB can't compress it: nothing repeats within a chunk of 255 KiB.
pub(crate) static PIECE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    use std::io::Read as _;
    let mut piece = vec![0; PIECE_BYTES];
    let filled = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut piece));
    if let Err(error) = filled {
        panic!("no randomness: {error}");
    }
    piece
});

/// What is uploaded.
#[derive(Debug, Clone)]
pub(crate) enum Upload {
    /// A file from the disk.
    File(PathBuf),
    /// So many random pieces, which no disk slows down.
    Pieces(usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Person {
    http: reqwest::Client,
    url: String,
    email: String,
    password: String,
    token: String,
}

/// As much of a job as matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) progress: Progress,
    pub(crate) audio: Option<Audio>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Audio {
    pub(crate) bytes: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) phase: String,
}

#[derive(Deserialize)]
struct JobPage {
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
}

const BOUNDARY: &str = "bench-boundary-which-nothing-random-holds";

/// No transfer here may take longer: something hangs.
const PATIENCE: Duration = Duration::from_mins(5);

impl Person {
    pub(crate) async fn register(url: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let email = format!("{}@example.com", unique_name("bench"));
        let password = unique_name("correct horse");
        let credentials = json!({ "email": email, "password": password });
        let mut person =
            Self { http, url: url.to_owned(), email: email.clone(), password, token: String::new() };
        let post = |path: &str| person.http.post(format!("{url}{path}")).json(&credentials).send();
        succeeded(post("/register").await?).await?;
        let mail = Inbox::shared().wait_for_mail(&email, PATIENCE).await;
        let token = json!({ "token": mail.token().context("the mail has no token")? });
        succeeded(person.http.post(format!("{url}/verify")).json(&token).send().await?).await?;
        let login: Login = succeeded(post("/login").await?).await?.json().await?;
        person.token = login.access_token;
        Ok(person)
    }

    /// Uploads, and gives the job.
    pub(crate) async fn upload(&self, upload: &Upload) -> Result<Job> {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"video.mp4\"\r\n\
             Content-Type: video/mp4\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let length = (head.len() + tail.len()) as u64 + upload.bytes().await?;
        let text = |text: String| stream::once(async { Ok(Bytes::from(text)) });
        let body = text(head).chain(upload.pieces().await?).chain(text(tail));
        let answer = self
            .http
            .post(format!("{}/upload", self.url))
            .bearer_auth(&self.token)
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .header("content-length", length)
            .body(Body::wrap_stream(body))
            .send()
            .await?;
        Ok(succeeded(answer).await?.json().await?)
    }

    /// Uploads resumably (tus), in one part as tus-js-client does, and gives the job's id.
    pub(crate) async fn upload_resumably(&self, upload: &Upload) -> Result<String> {
        let request = |method, url: String| {
            self.http.request(method, url).bearer_auth(&self.token).header("tus-resumable", "1.0.0")
        };
        let bytes = upload.bytes().await?;
        let begun = request(Method::POST, format!("{}/uploads", self.url)).header("upload-length", bytes);
        let begun = succeeded(begun.send().await?).await?;
        let location = begun.headers().get("location").context("the upload has no address")?.to_str()?;
        let sent = request(Method::PATCH, format!("{}{location}", self.url))
            .header("content-type", "application/offset+octet-stream")
            .header("content-length", bytes)
            .header("upload-offset", "0")
            .body(Body::wrap_stream(upload.pieces().await?));
        let sent = succeeded(sent.send().await?).await?;
        let job = sent.headers().get("job-location").context("the upload became no job")?.to_str()?;
        Ok(job.trim_start_matches("/jobs/").to_owned())
    }

    /// Follows a job to its end; `on_event` sees each state of it as it is told.
    pub(crate) async fn follow(&self, id: &str, mut on_event: impl FnMut(&Job)) -> Result<()> {
        let answer = succeeded(self.get(&format!("/jobs/{id}/events")).await?).await?;
        let mut pieces = answer.bytes_stream();
        let mut text = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            text.extend_from_slice(&piece);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data:") else { continue };
                let job: Job = serde_json::from_slice(data).context("an event is no job")?;
                on_event(&job);
                match job.status.as_str() {
                    "converted" => return Ok(()),
                    "queued" | "converting" => {}
                    other => bail!("the job {other}"),
                }
            }
        }
        bail!("the events ended before the job did")
    }

    /// One of the person's jobs.
    pub(crate) async fn job(&self, id: &str) -> Result<Job> {
        Ok(succeeded(self.get(&format!("/jobs/{id}")).await?).await?.json().await?)
    }

    /// How a login of theirs is answered.
    pub(crate) async fn log_in(&self) -> Result<StatusCode> {
        self.post("/login", &json!({ "email": self.email, "password": self.password })).await
    }

    /// How somebody's wish about an address is answered, who is not signed in.
    pub(crate) async fn knock(&self, path: &str, email: &str, password: &str) -> Result<StatusCode> {
        self.post(path, &json!({ "email": email, "password": password })).await
    }

    async fn post(&self, path: &str, body: &serde_json::Value) -> Result<StatusCode> {
        let answer = self.http.post(format!("{}{path}", self.url)).json(body).send().await?;
        let status = answer.status();
        // To its end, so that the connection can be used again.
        answer.bytes().await?;
        Ok(status)
    }

    /// The newest hundred of the person's jobs.
    pub(crate) async fn jobs(&self) -> Result<Vec<Job>> {
        let page: JobPage = succeeded(self.get("/jobs?limit=100").await?).await?.json().await?;
        Ok(page.jobs)
    }

    /// Deletes a job with its files.
    pub(crate) async fn delete(&self, id: &str) -> Result<()> {
        let request = self.http.delete(format!("{}/jobs/{id}", self.url)).bearer_auth(&self.token);
        succeeded(request.send().await?).await.map(drop)
    }

    /// Downloads these pieces of an MP3, throws them away, and gives the time.
    pub(crate) async fn download(&self, fid: &str, start: usize, pieces: usize) -> Result<Duration> {
        let (first, bytes) = (start * PIECE_BYTES, pieces * PIECE_BYTES);
        let began = Instant::now();
        let request = self
            .http
            .get(format!("{}/download?fid={fid}", self.url))
            .bearer_auth(&self.token)
            .header("range", format!("bytes={first}-{}", first + bytes - 1));
        let answer = succeeded(request.send().await?).await?;
        let arrived = answer.bytes_stream().try_fold(0, async |sum, piece| Ok(sum + piece.len())).await?;
        ensure!(arrived == bytes, "{arrived} of {bytes} bytes arrived");
        Ok(began.elapsed())
    }

    async fn get(&self, path: &str) -> Result<Response> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        Ok(request.send().await?)
    }
}

impl Upload {
    async fn bytes(&self) -> Result<u64> {
        match self {
            Self::File(path) => Ok(tokio::fs::metadata(path).await?.len()),
            Self::Pieces(count) => Ok((count * PIECE_BYTES) as u64),
        }
    }

    async fn pieces(&self) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>> {
        Ok(match self {
            Self::Pieces(count) => {
                stream::iter((0..*count).map(|_| Ok(Bytes::from_static(&PIECE)))).left_stream()
            }
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await?;
                let pieces = stream::try_unfold(file, async |mut file| {
                    let mut piece = Vec::with_capacity(PIECE_BYTES);
                    let length = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
                    Ok((length > 0).then_some((Bytes::from(piece), file)))
                });
                pieces.right_stream()
            }
        })
    }
}

async fn succeeded(answer: Response) -> Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let path = answer.url().path().to_owned();
    bail!("{path} answered {status}: {}", answer.text().await.unwrap_or_default())
}
