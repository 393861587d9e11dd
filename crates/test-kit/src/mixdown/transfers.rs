//! Uploads and downloads of any size, without keeping the content in memory.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use contracts::{Job, JobId, JobStatus};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Body, Method, RequestBuilder, Response};

use super::content::PIECE_BYTES;
use super::{Content, Form, User};

/// A longer transfer hangs.
const TRANSFER_DEADLINE: Duration = Duration::from_mins(5);

impl User {
    /// Uploads a content as one form. Returns the accepted job.
    ///
    /// # Errors
    /// The upload was refused.
    pub async fn send(&self, content: &Content) -> Result<Job> {
        let (opening, ending) = (Form::default().into_opening("video.mp4"), Form::ending());
        let length = (opening.len() + ending.len()) as u64 + content.bytes().await?;
        let part = |bytes: Vec<u8>| stream::once(async { Ok(Bytes::from(bytes)) });
        let body = part(opening).chain(content.pieces().await?).chain(part(ending));
        let request = self
            .request(Method::POST, "/upload")
            .header("content-type", Form::content_type())
            .header("content-length", length)
            .body(Body::wrap_stream(body));
        answer_to(request).await?.json().await.context("the answer to the upload is no job")
    }

    /// Uploads a content resumably, in one part like tus-js-client. Returns its job.
    ///
    /// # Errors
    /// The upload did not become a job.
    pub async fn send_resumably(&self, content: &Content) -> Result<JobId> {
        let bytes = content.bytes().await?;
        let begun = answer_to(self.tus(Method::POST, "/uploads").header("upload-length", bytes)).await?;
        let path = begun.headers().get("location").context("the upload has no address")?.to_str()?;
        let part = self
            .tus(Method::PATCH, path)
            .header("content-type", "application/offset+octet-stream")
            .header("content-length", bytes)
            .header("upload-offset", "0")
            .body(Body::wrap_stream(content.pieces().await?));
        let sent = answer_to(part).await?;
        let job = sent.headers().get("job-location").context("the upload became no job")?.to_str()?;
        Ok(job.trim_start_matches("/jobs/").parse()?)
    }

    /// Follows a job until it is converted. `on_event` gets each reported state.
    ///
    /// # Errors
    /// The job has another outcome, or the events end early.
    pub async fn follow(&self, id: JobId, mut on_event: impl FnMut(&Job)) -> Result<()> {
        let answer = answer_to(self.request(Method::GET, &format!("/jobs/{id}/events"))).await?;
        let mut pieces = answer.bytes_stream();
        let mut text = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            text.extend_from_slice(&piece);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data:") else { continue };
                let job: Job = serde_json::from_slice(data).context("an event is no job")?;
                on_event(&job);
                match job.status {
                    JobStatus::Converted => return Ok(()),
                    JobStatus::Queued | JobStatus::Converting => {}
                    ended @ (JobStatus::Failed | JobStatus::Cancelled | JobStatus::Expired) => {
                        bail!("the job is {ended:?}")
                    }
                }
            }
        }
        bail!("the events ended before the job did")
    }

    /// Downloads some pieces of an audio file, from the piece `start`, and discards them.
    ///
    /// # Errors
    /// Some bytes are missing.
    pub async fn download_pieces(&self, fid: &str, start: usize, pieces: usize) -> Result<()> {
        let (first, bytes) = (start * PIECE_BYTES, pieces * PIECE_BYTES);
        let request = self
            .request(Method::GET, &format!("/download?fid={fid}"))
            .header("range", format!("bytes={first}-{}", first + bytes - 1));
        let answer = answer_to(request).await?;
        let arrived = answer.bytes_stream().try_fold(0, async |sum, piece| Ok(sum + piece.len())).await?;
        ensure!(arrived == bytes, "{arrived} of {bytes} bytes arrived");
        Ok(())
    }
}

/// The answer to a request that must succeed.
async fn answer_to(request: RequestBuilder) -> Result<Response> {
    let answer = request.timeout(TRANSFER_DEADLINE).send().await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let path = answer.url().path().to_owned();
    bail!("{path} answered {status}: {}", answer.text().await.unwrap_or_default())
}
