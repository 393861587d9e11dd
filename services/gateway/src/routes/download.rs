use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use contracts::{Mp3Fid, ProblemCode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::Gateway;
use crate::delivery::media_answer::{self, Disposition};
use crate::error::Error;
use crate::identity::caller::Caller;
use crate::openapi::ProblemAnswer;

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct File {
    /// The `audio.fid` of a converted job.
    fid: String,
}

/// Download what was made of one of your videos; one byte range at a time if you like.
#[utoipa::path(
    get, path = "/download", tag = "files", params(File), security(("token" = [])),
    responses(
        (status = 200, description = "The file: audio/mpeg, audio/mp4, audio/ogg, audio/flac or audio/wav", body = Vec<u8>, content_type = "audio/mpeg"),
        (status = 206, description = "The range of it", body = Vec<u8>, content_type = "audio/mpeg"),
        (status = 304, description = "You have it already"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 416, description = "`range_not_satisfiable`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn download(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    file: Result<Query<File>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Query(File { fid }) = file.map_err(|_| ProblemCode::BadRequest)?;
    let fid: Mp3Fid = fid.parse().map_err(|_| ProblemCode::NotFound)?;
    let record = gateway.jobs.find_by_mp3(fid).await?;
    if record.is_none_or(|record| record.owner.id != owner.id) {
        return Err(ProblemCode::NotFound.into());
    }
    let file = gateway.mp3s.open(fid.0).await?.ok_or(ProblemCode::NotFound)?;
    let place = gateway.limits.sending.take(owner.id).await?;
    media_answer::audio(&gateway.mp3s, &file, place, Disposition::Attachment, &headers)
}
