use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{InvalidLink, JobId, ProblemCode, SignedLink};
use serde::{Deserialize, Serialize};
use service_kit::{FieldError, Id, OptionalJsonBody, Problem, QueryOf};
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use super::{Binary, NO_STORE};
use crate::delivery::{Disposition, audio_answer};
use crate::error::Error;
use crate::identity::{Anyone, Caller, Read};
use crate::state::Gateway;

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
        (status = 200, description = "The file: audio/mpeg, audio/mp4, audio/ogg, audio/flac or audio/wav", body = inline(Binary), content_type = "audio/mpeg"),
        (status = 206, description = "The range of it", body = inline(Binary), content_type = "audio/mpeg"),
        (status = 304, description = "You have it already"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound, ProblemCode::Gone, ProblemCode::RangeNotSatisfiable]))),
)]
pub(crate) async fn open_link(
    State(gateway): State<Gateway>,
    _: Anyone,
    Path(link): Path<String>,
    QueryOf(opening): QueryOf<Opening>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let inline = opening.inline.as_deref() == Some("1");
    let disposition = if inline { Disposition::Inline } else { Disposition::Attachment };
    let link = gateway.delivery.links.verify(&link, OffsetDateTime::now_utc()).map_err(code_of)?;
    // The holder of a genuine link may know that its file was deleted.
    let record = gateway.jobs.find_by_mp3(link.fid).await?.ok_or(ProblemCode::Gone)?;
    let file = gateway.delivery.mp3s.open(link.fid.0).await?.ok_or(ProblemCode::Gone)?;
    let place = gateway.edge.limits.sending.take(record.owner.id).await?;
    let mut response = audio_answer(&gateway.delivery.mp3s, &file, place, disposition, &headers)?;
    keep_secret(&mut response);
    Ok(response)
}

/// The address is a secret: no other site and no search engine may learn it.
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

/// A new link.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedLink {
    /// The address. Everybody who knows it can download.
    pub(crate) url: String,
    /// When it stops working.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: OffsetDateTime,
}

const DEFAULT_SECONDS: u32 = 3600;
const SECONDS: std::ops::RangeInclusive<u32> = 60..=604_800;

/// Create a link to one of your finished files, for others or for a player. The body may be left out.
///
/// With `?inline=1` behind it the browser plays the file instead of saving it.
#[utoipa::path(
    post, path = "/jobs/{id}/link", tag = "files", params(("id" = JobId, Path,)), security(("token" = [])),
    request_body(content = Option<NewLink>),
    responses(
        (status = 201, description = "The link", body = CreatedLink),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn create_link(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    Id(id): Id<JobId>,
    OptionalJsonBody(new): OptionalJsonBody<NewLink>,
) -> Result<Response, Error> {
    let seconds = new.unwrap_or_default().expires_in_seconds.unwrap_or(DEFAULT_SECONDS);
    if !SECONDS.contains(&seconds) {
        let message = format!("expected a number from {} to {}", SECONDS.start(), SECONDS.end());
        let error = FieldError::new("expires_in_seconds", message);
        return Err(Problem::new(ProblemCode::BadRequest).with_error(error).into());
    }
    let record = gateway.jobs.get_owned(owner.id, id).await?.ok_or(ProblemCode::NotFound)?;
    let fid = record.job.audio.ok_or(ProblemCode::NotFound)?.fid;
    let wanted = OffsetDateTime::now_utc() + Duration::seconds(seconds.into());
    let expires_at = whole_seconds(record.job.expires_at.map_or(wanted, |end| end.min(wanted)));
    let url = gateway
        .identity
        .site
        .address(&format!("/d/{}", gateway.delivery.links.sign(SignedLink { fid, expires_at })));
    Ok((StatusCode::CREATED, NO_STORE, Json(CreatedLink { url, expires_at })).into_response())
}

/// The moment in whole seconds, as a link has it.
pub(crate) fn whole_seconds(moment: OffsetDateTime) -> OffsetDateTime {
    moment.truncate_to_second()
}
