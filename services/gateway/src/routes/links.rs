use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use contracts::{InvalidLink, ProblemCode};
use time::OffsetDateTime;

use crate::Gateway;
use crate::error::Error;
use crate::media_answer;
use crate::openapi::ProblemAnswer;

/// Download by a link out of a mail: the link is the credential.
#[utoipa::path(
    get, path = "/d/{link}", tag = "files", params(("link" = String, Path,)),
    responses(
        (status = 200, description = "The file: audio/mpeg, audio/mp4, audio/ogg, audio/flac or audio/wav", body = Vec<u8>, content_type = "audio/mpeg"),
        (status = 206, description = "The range of it", body = Vec<u8>, content_type = "audio/mpeg"),
        (status = 304, description = "You have it already"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 410, description = "`gone`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 416, description = "`range_not_satisfiable`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn open(
    State(gateway): State<Arc<Gateway>>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let link = gateway.links.verify(&link, OffsetDateTime::now_utc()).map_err(|error| match error {
        InvalidLink::Forged => ProblemCode::NotFound,
        InvalidLink::Expired => ProblemCode::Gone,
    })?;
    // A genuine link whose file was deleted is no secret to whoever holds it.
    gateway.jobs.find_by_mp3(link.fid).await?.ok_or(ProblemCode::Gone)?;
    let file = gateway.mp3s.open(link.fid.0).await?.ok_or(ProblemCode::Gone)?;
    let mut response = media_answer::audio(&gateway.mp3s, &file, &headers)?;
    // The address is a secret: no other site and no search engine is told of it.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response.headers_mut().insert("x-robots-tag", HeaderValue::from_static("noindex"));
    Ok(response)
}
