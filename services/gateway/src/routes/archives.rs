use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{ArchiveLink, JobId, Mp3Fid, ProblemCode, UserId};
use futures_util::future::try_join_all;
use media_store::StoredFile;
use serde::Deserialize;
use service_kit::{FieldError, JsonBody, Problem};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::links::{CreatedLink, code_of, keep_secret, whole_seconds};
use super::{Binary, NO_STORE};
use crate::delivery::{Archive, Disposition, Entry, archive_bytes, content_disposition, distinct_names};
use crate::error::Error;
use crate::identity::{Anyone, Caller, Read};
use crate::intake::display_name;
use crate::state::Gateway;

/// What is to be in an archive.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewArchive {
    /// Ids of converted jobs of yours, each once.
    #[schema(min_items = 1, max_items = 100)]
    jobs: Vec<String>,
}

const MAX_FILES: usize = 100;

/// Long enough to begin a download. A download that has begun is not broken off.
const LIFETIME: Duration = Duration::hours(1);

const FILE_NAME: &str = "mixdown.zip";

/// Create a link to several of your finished files in one ZIP archive.
#[utoipa::path(
    post, path = "/archives", tag = "files", security(("token" = [])), request_body = NewArchive,
    responses(
        (status = 201, description = "The link", body = CreatedLink),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn create_archive(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Read>,
    JsonBody(new): JsonBody<NewArchive>,
) -> Result<Response, Error> {
    if !(1..=MAX_FILES).contains(&new.jobs.len()) {
        return Err(refused(format!("expected from 1 to {MAX_FILES} ids")));
    }
    let mut fids = Vec::with_capacity(new.jobs.len());
    for id in &new.jobs {
        let id: JobId = id.parse().map_err(|_| ProblemCode::NotFound)?;
        let record = gateway.jobs.get_owned(owner.id, id).await?.ok_or(ProblemCode::NotFound)?;
        let fid = record.job.audio.ok_or(ProblemCode::NotFound)?.fid;
        if fids.contains(&fid) {
            return Err(refused("expected each id once".to_owned()));
        }
        fids.push(fid);
    }
    let expires_at = whole_seconds(OffsetDateTime::now_utc() + LIFETIME);
    let link = gateway.delivery.links.sign_archive(&ArchiveLink { fids, expires_at });
    let url = gateway.identity.site.address(&format!("/archives/{link}"));
    Ok((StatusCode::CREATED, NO_STORE, Json(CreatedLink { url, expires_at })).into_response())
}

fn refused(message: String) -> Error {
    Problem::new(ProblemCode::BadRequest).with_error(FieldError::new("jobs", message)).into()
}

/// Download several files in one ZIP archive, by a link: the link is the credential.
#[utoipa::path(
    get, path = "/archives/{link}", tag = "files", params(("link" = String, Path,)),
    responses(
        (status = 200, description = "The archive", body = inline(Binary), content_type = "application/zip"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound, ProblemCode::Gone]))),
)]
pub(crate) async fn open_archive(
    State(gateway): State<Gateway>,
    _: Anyone,
    Path(link): Path<String>,
) -> Result<Response, Error> {
    let link = gateway.delivery.links.verify_archive(&link, OffsetDateTime::now_utc()).map_err(code_of)?;
    let files = try_join_all(link.fids.iter().map(|fid| file(&gateway, *fid))).await?;
    // All of the files belong to one user.
    let (owners, files): (Vec<UserId>, Vec<StoredFile>) = files.into_iter().unzip();
    let owner = owners.first().ok_or(ProblemCode::NotFound)?;
    let place = gateway.edge.limits.sending.take(*owner).await?;
    let names = distinct_names(files.iter().map(|file| display_name(&file.name)));
    let entries: Vec<Entry> = names
        .into_iter()
        .zip(&files)
        .map(|(name, file)| Entry { name, bytes: file.bytes, modified_at: file.stored_at })
        .collect();

    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(archive_bytes(&entries)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    let disposition = HeaderValue::try_from(content_disposition(Disposition::Attachment, FILE_NAME));
    headers.insert(header::CONTENT_DISPOSITION, disposition.map_err(|_| ProblemCode::Internal)?);
    let archive = Archive::new(gateway.delivery.mp3s.clone(), entries.into_iter().zip(files));
    let mut response = (headers, place.of(Body::from_stream(archive.into_stream()))).into_response();
    keep_secret(&mut response);
    Ok(response)
}

async fn file(gateway: &Gateway, fid: Mp3Fid) -> Result<(UserId, StoredFile), Error> {
    let record = gateway.jobs.find_by_mp3(fid).await?.ok_or(ProblemCode::NotFound)?;
    let file = gateway.delivery.mp3s.open(fid.0).await?.ok_or(ProblemCode::NotFound)?;
    Ok((record.owner.id, file))
}
