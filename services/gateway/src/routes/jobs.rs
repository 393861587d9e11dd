use ::jobs::{Deleted, Record, Retried, Search};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{JobId, JobStatus, ProblemCode, VideoFid};
use serde::{Deserialize, Serialize};
use service_kit::{Chain, FieldError, Id, Problem, QueryOf};
use utoipa::{IntoParams, ToSchema};

use super::Binary;
use crate::delivery::JobView;
use crate::error::Error;
use crate::identity::{Caller, Delete, Read, Upload};
use crate::state::Gateway;

/// Which jobs, and which page of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Only jobs with this in the video's name or in the title that was asked for, in capitals or not.
    #[param(max_length = 250)]
    q: Option<String>,
    /// Only jobs with this status.
    #[param(inline)]
    status: Option<JobStatus>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many jobs at the most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u16>,
}

/// A page of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobPage {
    /// The jobs, newest first.
    jobs: Vec<JobView>,
    /// The `cursor` of the next page; none on the last.
    next_cursor: Option<JobId>,
}

const DEFAULT_LIMIT: u16 = 20;
const MAX_LIMIT: u16 = 100;

/// The longest title.
const MAX_SEARCH_CHARS: usize = 250;

/// List your jobs, newest first.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", params(Page), security(("token" = [])),
    responses(
        (status = 200, description = "A page of jobs", body = JobPage),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadCursor]))),
)]
pub(crate) async fn list_jobs(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    QueryOf(page): QueryOf<Page>,
) -> Result<Json<JobPage>, Error> {
    let before = page.cursor.map(|cursor| cursor.parse()).transpose().map_err(|_| ProblemCode::BadCursor)?;
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(refused("limit", format!("expected a number from 1 to {MAX_LIMIT}")));
    }
    let text = page.q.filter(|text| !text.is_empty());
    if text
        .as_ref()
        .is_some_and(|text| text.chars().count() > MAX_SEARCH_CHARS || text.contains(char::is_control))
    {
        return Err(refused("q", format!("expected at most {MAX_SEARCH_CHARS} printable characters")));
    }
    let search = Search { text, status: page.status };
    // One more than requested shows whether there is another page.
    let mut jobs = gateway.jobs.list(owner.id, &search, before, limit + 1).await?;
    let is_last = jobs.len() <= limit.into();
    jobs.truncate(limit.into());
    let next_cursor = if is_last { None } else { jobs.last().map(|job| job.id) };
    let jobs = jobs.into_iter().map(|job| gateway.view(job)).collect();
    Ok(Json(JobPage { jobs, next_cursor }))
}

fn refused(field: &str, message: String) -> Error {
    Problem::new(ProblemCode::BadRequest).with_error(FieldError::new(field, message)).into()
}

/// Get one of your jobs.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "The job", body = JobView),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn get_job(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    Id(id): Id<JobId>,
) -> Result<Json<JobView>, Error> {
    let record = gateway.jobs.get_owned(owner.id, id).await?;
    Ok(Json(gateway.view(record.ok_or(ProblemCode::NotFound)?.job)))
}

/// Get the waveform of one of your finished files.
///
/// JSON as BBC's audiowaveform 2 writes it, which peaks.js and wavesurfer.js read: the lowest and the highest sample of up to 2048
/// stretches, all channels in one.
#[utoipa::path(
    get, path = "/jobs/{id}/peaks", tag = "jobs", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "The waveform", body = Waveform),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn get_peaks(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    Id(id): Id<JobId>,
) -> Result<Response, Error> {
    let record = gateway.jobs.get_owned(owner.id, id).await?.ok_or(ProblemCode::NotFound)?;
    let audio = record.job.audio.ok_or(ProblemCode::NotFound)?;
    let json = gateway.delivery.mp3s.sidecar(audio.fid.0).await?.filter(|json| !json.is_empty());
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        // A file never changes, and only its owner may see it.
        (header::CACHE_CONTROL, "private, max-age=3600"),
    ];
    Ok((headers, json.ok_or(ProblemCode::NotFound)?).into_response())
}

/// A waveform. The converter makes it; this describes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer to the OpenAPI document")]
pub(crate) struct Waveform {
    /// 2.
    version: u8,
    /// 1: all channels of the file are one.
    channels: u8,
    /// Sample rate of the file in Hz.
    sample_rate: u32,
    /// Samples of the file for each pair of `data`.
    samples_per_pixel: u32,
    /// 8.
    bits: u8,
    /// Pairs in `data`, up to 2048.
    length: u32,
    /// The lowest and the highest sample of each stretch, one pair after the other, from -128 to 127.
    data: Vec<i8>,
}

/// Get the picture of one of your finished files.
#[utoipa::path(
    get, path = "/jobs/{id}/cover", tag = "jobs", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "The picture, of at most 1000 by 1000 pixels", body = inline(Binary), content_type = "image/jpeg"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn get_cover(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    Id(id): Id<JobId>,
) -> Result<Response, Error> {
    let record = gateway.jobs.get_owned(owner.id, id).await?.ok_or(ProblemCode::NotFound)?;
    let audio = record.job.audio.ok_or(ProblemCode::NotFound)?;
    let picture = gateway.delivery.mp3s.picture(audio.fid.0).await?.ok_or(ProblemCode::NotFound)?;
    let headers = [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=3600")];
    Ok((headers, picture).into_response())
}

/// Try a failed job again. Its video must still be there: see the job's `expires_at`.
#[utoipa::path(
    post, path = "/jobs/{id}/retry", tag = "jobs", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 202, description = "The job, which is queued again", body = JobView),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound, ProblemCode::StorageFull, ProblemCode::TooManyJobs, ProblemCode::DailyLimit, ProblemCode::NotRetryable]))),
)]
pub(crate) async fn retry_job(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Upload>,
    Id(id): Id<JobId>,
) -> Result<Response, Error> {
    // A retry costs a conversion, as an upload does.
    gateway.edge.limits.upload(owner.id)?;
    gateway.intake.quotas.check(owner.id, 0).await?;
    match gateway.jobs.retry(owner.id, id).await? {
        Retried::NotFound => Err(ProblemCode::NotFound.into()),
        Retried::NotRetryable => Err(ProblemCode::NotRetryable.into()),
        Retried::Queued(record) => {
            tracing::info!(job.id = %record.job.id, "queued for a retry");
            gateway.intake.give_turn_or_leave(owner.id).await;
            Ok((StatusCode::ACCEPTED, Json(gateway.view(record.job))).into_response())
        }
    }
}

/// Cancel a job that has not ended, or delete one that has. Its video and its MP3 are deleted either way.
///
/// A cancelled job stays in the list until it is deleted, too.
#[utoipa::path(
    delete, path = "/jobs/{id}", tag = "jobs", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "Cancelled or deleted"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn delete_job(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Delete>,
    Id(id): Id<JobId>,
) -> Result<StatusCode, Error> {
    match gateway.jobs.delete(owner.id, id).await? {
        Deleted::NotFound => return Err(ProblemCode::NotFound.into()),
        Deleted::Cancelled(record) => {
            tracing::info!(job.id = %record.job.id, "cancelled");
            delete_files(&gateway, &record).await;
            gateway.intake.give_turn_or_leave(owner.id).await;
        }
        Deleted::Removed(record) => {
            tracing::info!(job.id = %record.job.id, "deleted");
            delete_files(&gateway, &record).await;
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// No job refers to the files any more, so the sweeper deletes later what fails here.
async fn delete_files(gateway: &Gateway, record: &Record) {
    let VideoFid(video) = record.job.source.fid;
    let mut deleted = gateway.intake.videos.delete(video).await;
    if let Some(audio) = &record.job.audio {
        deleted = deleted.and(gateway.delivery.mp3s.delete(audio.fid.0).await);
    }
    if let Err(error) = deleted {
        tracing::warn!(job.id = %record.job.id, error = %Chain(&error), "could not delete a job's files yet");
    } else if let Err(error) = gateway.jobs.mark_video_deleted(record.job.id).await {
        tracing::warn!(job.id = %record.job.id, error = %Chain(&error), "could not record a deletion yet");
    }
}
