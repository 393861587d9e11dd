use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use contracts::{JobId, Mp3Fid, Owner, ProblemCode};
use serde::Deserialize;
use service_kit::{Id, QueryOf};
use utoipa::IntoParams;

use super::Binary;
use crate::delivery::{Disposition, audio_answer};
use crate::error::Error;
use crate::identity::{Caller, Read};
use crate::state::Gateway;

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The `audio.fid` of a converted job.
    fid: String,
}

/// Download the audio of one of your jobs by its file's id; one byte range at a time if you like.
#[utoipa::path(
    get, path = "/download", tag = "files", params(File), security(("token" = [])),
    responses(
        (status = 200, description = "The file: audio/mpeg, audio/mp4, audio/ogg, audio/flac or audio/wav", body = inline(Binary), content_type = "audio/mpeg"),
        (status = 206, description = "The range of it", body = inline(Binary), content_type = "audio/mpeg"),
        (status = 304, description = "You have it already"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound, ProblemCode::RangeNotSatisfiable]))),
)]
pub(crate) async fn download(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    QueryOf(File { fid }): QueryOf<File>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let fid: Mp3Fid = fid.parse().map_err(|_| ProblemCode::NotFound)?;
    let record = gateway.jobs.find_by_mp3(fid).await?;
    if record.is_none_or(|record| record.owner.id != owner.id) {
        return Err(ProblemCode::NotFound.into());
    }
    answer(&gateway, &owner, fid, &headers).await
}

/// Download the audio of one of your jobs; one byte range at a time if you like.
#[utoipa::path(
    get, path = "/jobs/{id}/audio", tag = "files", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "The file: audio/mpeg, audio/mp4, audio/ogg, audio/flac or audio/wav", body = inline(Binary), content_type = "audio/mpeg"),
        (status = 206, description = "The range of it", body = inline(Binary), content_type = "audio/mpeg"),
        (status = 304, description = "You have it already"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound, ProblemCode::RangeNotSatisfiable]))),
)]
pub(crate) async fn get_audio(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    Id(id): Id<JobId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let record = gateway.jobs.get_owned(owner.id, id).await?.ok_or(ProblemCode::NotFound)?;
    let audio = record.job.audio.ok_or(ProblemCode::NotFound)?;
    answer(&gateway, &owner, audio.fid, &headers).await
}

async fn answer(
    gateway: &Gateway,
    owner: &Owner,
    fid: Mp3Fid,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let file = gateway.delivery.mp3s.open(fid.0).await?.ok_or(ProblemCode::NotFound)?;
    let place = gateway.edge.limits.sending.take(owner.id).await?;
    audio_answer(&gateway.delivery.mp3s, &file, place, Disposition::Attachment, headers)
}
