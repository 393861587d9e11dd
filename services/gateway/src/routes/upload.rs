use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{ConversionRequested, Job, JobId, MESSAGE_VERSION, Queue, Source, VideoFid};
use jobs::{NewJob, Record};
use service_kit::Chain;

use crate::Gateway;
use crate::caller::Caller;
use crate::error::Error;
use crate::openapi::ProblemAnswer;

/// How long an upload waits for RabbitMQ before its body is read.
const BROKER_PATIENCE: Duration = Duration::from_secs(2);

/// What an upload's form may hold.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form to the OpenAPI document")]
pub(crate) struct UploadForm {
    /// The video; the field may have any name. Exactly one.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Variable bit rate quality, `V0` (best) to `V9` (smallest); `V2` if neither is given.
    #[schema(pattern = "^[Vv]?[0-9]$")]
    quality: Option<String>,
    /// Constant bit rate in kbit/s: 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256 or 320. Excludes `quality`.
    bitrate: Option<String>,
}

/// Upload a video to be converted.
#[utoipa::path(
    post, path = "/upload", tag = "jobs", security(("token" = [])),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, description = "Accepted: the job", body = Job, headers(("location", description = "Address of the job"))),
        (status = 400, description = "`no_file`, `several_files`, `empty_file`, `incomplete_upload`, `unknown_option`, `bad_option`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 401, description = "`no_token`, `invalid_token`, `expired_token`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 408, description = "`request_timeout`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn upload(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    request: Request,
) -> Result<Response, Error> {
    gateway.limits.upload(owner.id)?;
    // Before the body: nobody should send a gigabyte to hear that there is no queue.
    gateway.broker.ready(BROKER_PATIENCE).await.map_err(|_| Error::BrokerAway)?;
    let received = gateway.uploads.receive(request, &gateway.videos).await?;

    let new = NewJob {
        id: JobId::generate(),
        owner,
        source: Source {
            fid: VideoFid(received.file.fid),
            name: received.file.name,
            bytes: received.file.bytes,
            duration_seconds: None,
            audio_tracks: Vec::new(),
        },
        options: received.options,
    };
    // A crash before this leaves a file that no job refers to: the sweeper deletes it. One after this leaves a job
    // that nobody announced: the reconciler does.
    let record = gateway.jobs.insert(new).await?;
    tracing::info!(job.id = %record.job.id, user.id = %record.owner.id, bytes = record.job.source.bytes, "accepted");
    if let Err(error) = announce(&gateway, &record).await {
        // The job is stored, which is all that the client needs to know.
        tracing::warn!(job.id = %record.job.id, error = %Chain(&error), "could not announce a job yet");
    }
    let location = format!("/jobs/{}", record.job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(record.job)).into_response())
}

/// Tells the converters about a job, and remembers that they were told.
pub(crate) async fn announce(gateway: &Gateway, record: &Record) -> Result<(), Error> {
    let job = &record.job;
    let message = ConversionRequested {
        version: MESSAGE_VERSION,
        job_id: job.id,
        video_fid: job.source.fid,
        mp3_fid: None,
        username: record.owner.email.clone(),
    };
    gateway.broker.publish(Queue::Video, &job.id.to_string(), &message).await?;
    gateway.jobs.mark_announced(job.id).await?;
    Ok(())
}
