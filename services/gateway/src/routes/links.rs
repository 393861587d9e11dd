use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{InvalidLink, JobId, ProblemCode, SignedLink};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use super::jobs::job_id;
use crate::Gateway;
use crate::delivery::media_answer::{self, Disposition};
use crate::error::Error;
use crate::identity::caller::Caller;
use crate::openapi::ProblemAnswer;

/// How a file is to be opened.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Opening {
    /// `1`: to be played in the browser, not saved.
    #[param(pattern = "^[01]$")]
    inline: Option<String>,
}

/// Download by a link out of a mail: the link is the credential.
#[utoipa::path(
    get, path = "/d/{link}", tag = "files", params(("link" = String, Path,), Opening),
    responses(
        (status = 200, description = "The file: audio/mpeg, audio/mp4, audio/ogg, audio/flac or audio/wav", body = Vec<u8>, content_type = "audio/mpeg"),
        (status = 206, description = "The range of it", body = Vec<u8>, content_type = "audio/mpeg"),
        (status = 304, description = "You have it already"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 410, description = "`gone`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 416, description = "`range_not_satisfiable`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn open(
    State(gateway): State<Arc<Gateway>>,
    Path(link): Path<String>,
    opening: Result<Query<Opening>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Query(opening) = opening.map_err(|_| ProblemCode::BadRequest)?;
    let inline = opening.inline.as_deref() == Some("1");
    let disposition = if inline { Disposition::Inline } else { Disposition::Attachment };
    let link = gateway.links.verify(&link, OffsetDateTime::now_utc()).map_err(code_of)?;
    // A genuine link whose file was deleted is no secret to whoever holds it.
    let record = gateway.jobs.find_by_mp3(link.fid).await?.ok_or(ProblemCode::Gone)?;
    let file = gateway.mp3s.open(link.fid.0).await?.ok_or(ProblemCode::Gone)?;
    let place = gateway.limits.sending.take(record.owner.id).await?;
    let mut response = media_answer::audio(&gateway.mp3s, &file, place, disposition, &headers)?;
    keep_secret(&mut response);
    Ok(response)
}

/// The address is a secret: no other site and no search engine is told of it.
pub(crate) fn keep_secret(response: &mut Response) {
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.headers_mut().insert("x-robots-tag", HeaderValue::from_static("noindex"));
}

pub(crate) fn code_of(error: InvalidLink) -> ProblemCode {
    match error {
        InvalidLink::Forged => ProblemCode::NotFound,
        InvalidLink::Expired => ProblemCode::Gone,
    }
}

/// How long a link is to last.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLink {
    /// Seconds from now; the file may be deleted earlier, and the link ends with it.
    #[schema(minimum = 60, maximum = 604_800, default = 3600)]
    expires_in_seconds: Option<u32>,
}

/// A link that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeLink {
    /// The address. Whoever knows it can download.
    pub(crate) url: String,
    /// When it stops to work.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: OffsetDateTime,
}

const DEFAULT_SECONDS: u32 = 3600;
const SECONDS: std::ops::RangeInclusive<u32> = 60..=604_800;

/// Make a link to one of your finished files, for others or for a player. The body may be left out.
///
/// With `?inline=1` behind it the browser plays the file instead of saving it.
#[utoipa::path(
    post, path = "/jobs/{id}/link", tag = "files", params(("id" = JobId, Path,)), security(("token" = [])),
    request_body(content = NewLink),
    responses(
        (status = 201, description = "The link", body = MadeLink),
        (status = 404, description = "`not_found`: no such job of yours, or it has no file yet or any more", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn make(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Error> {
    let new = if body.is_empty() { Ok(NewLink::default()) } else { serde_json::from_slice::<NewLink>(&body) };
    let seconds = new.map_err(|_| ProblemCode::BadRequest)?.expires_in_seconds.unwrap_or(DEFAULT_SECONDS);
    if !SECONDS.contains(&seconds) {
        return Err(ProblemCode::BadRequest.into());
    }
    let record = gateway.jobs.get_owned(owner.id, job_id(&id)?).await?.ok_or(ProblemCode::NotFound)?;
    let fid = record.job.audio.ok_or(ProblemCode::NotFound)?.fid;
    let wanted = OffsetDateTime::now_utc() + Duration::seconds(seconds.into());
    let expires_at = whole_seconds(record.job.expires_at.map_or(wanted, |end| end.min(wanted)));
    let url = gateway.site.address(&format!("/d/{}", gateway.links.sign(SignedLink { fid, expires_at })));
    Ok((StatusCode::CREATED, NO_STORE, Json(MadeLink { url, expires_at })).into_response())
}

/// An answer with a credential in it stays in no cache.
pub(crate) const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// The moment as a link has it.
pub(crate) fn whole_seconds(moment: OffsetDateTime) -> OffsetDateTime {
    moment.truncate_to_second()
}
