use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{ArchiveLink, Mp3Fid, ProblemCode, UserId};
use futures_util::future::try_join_all;
use futures_util::{Stream, TryStreamExt as _, stream};
use media_store::{MediaStore, StoreError, StoredFile};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::jobs::job_id;
use super::json_problem;
use super::links::{MadeLink, NO_STORE, code_of, keep_secret, whole_seconds};
use crate::Gateway;
use crate::delivery::media_answer::{Disposition, named};
use crate::delivery::zip::{Entry, ZipWriter, archive_bytes, distinct_names};
use crate::error::Error;
use crate::identity::caller::Caller;
use crate::intake::file_name::display_name;
use crate::openapi::ProblemAnswer;

/// What is to be in an archive.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewArchive {
    /// Ids of converted jobs of yours, each once.
    #[schema(min_items = 1, max_items = 100)]
    jobs: Vec<String>,
}

const MAX_FILES: usize = 100;

/// Long enough to begin a download; what has begun is not broken off.
const LIFETIME: Duration = Duration::hours(1);

const FILE_NAME: &str = "mixdown.zip";

/// Make a link to several of your finished files in one ZIP archive.
#[utoipa::path(
    post, path = "/archives", tag = "files", security(("token" = [])), request_body = NewArchive,
    responses(
        (status = 201, description = "The link", body = MadeLink),
        (status = 404, description = "`not_found`: one of them is no job of yours, or has no file yet or any more", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn make(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    new: Result<Json<NewArchive>, JsonRejection>,
) -> Result<Response, Error> {
    let Json(new) = new.map_err(|rejection| json_problem(&rejection))?;
    if !(1..=MAX_FILES).contains(&new.jobs.len()) {
        return Err(ProblemCode::BadRequest.into());
    }
    let mut fids = Vec::with_capacity(new.jobs.len());
    for id in &new.jobs {
        let record = gateway.jobs.get_owned(owner.id, job_id(id)?).await?.ok_or(ProblemCode::NotFound)?;
        let fid = record.job.audio.ok_or(ProblemCode::NotFound)?.fid;
        if fids.contains(&fid) {
            return Err(ProblemCode::BadRequest.into());
        }
        fids.push(fid);
    }
    let expires_at = whole_seconds(OffsetDateTime::now_utc() + LIFETIME);
    let link = gateway.links.sign_archive(&ArchiveLink { fids, expires_at });
    let url = gateway.site.address(&format!("/archives/{link}"));
    Ok((StatusCode::CREATED, NO_STORE, Json(MadeLink { url, expires_at })).into_response())
}

/// Download several files in one ZIP archive, by a link: the link is the credential.
#[utoipa::path(
    get, path = "/archives/{link}", tag = "files", params(("link" = String, Path,)),
    responses(
        (status = 200, description = "The archive", body = Vec<u8>, content_type = "application/zip"),
        (status = 404, description = "`not_found`: no link of ours, or one of the files is gone", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 410, description = "`gone`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn open(
    State(gateway): State<Arc<Gateway>>,
    Path(link): Path<String>,
) -> Result<Response, Error> {
    let link = gateway.links.verify_archive(&link, OffsetDateTime::now_utc()).map_err(code_of)?;
    let files = try_join_all(link.fids.iter().map(|fid| file(&gateway, *fid))).await?;
    // All of them are one user's.
    let (owners, files): (Vec<UserId>, Vec<StoredFile>) = files.into_iter().unzip();
    let owner = owners.first().ok_or(ProblemCode::NotFound)?;
    let place = gateway.limits.sending.take(*owner).await?;
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
    let disposition = HeaderValue::try_from(named(Disposition::Attachment, FILE_NAME));
    headers.insert(header::CONTENT_DISPOSITION, disposition.map_err(|_| ProblemCode::Internal)?);
    let archive = Archive::new(gateway.mp3s.clone(), entries.into_iter().zip(files));
    let mut response = (headers, place.of(Body::from_stream(archive.into_stream()))).into_response();
    keep_secret(&mut response);
    Ok(response)
}

async fn file(gateway: &Gateway, fid: Mp3Fid) -> Result<(UserId, StoredFile), Error> {
    let record = gateway.jobs.find_by_mp3(fid).await?.ok_or(ProblemCode::NotFound)?;
    let file = gateway.mp3s.open(fid.0).await?.ok_or(ProblemCode::NotFound)?;
    Ok((record.owner.id, file))
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// An archive on its way: one file after the other, a few pieces at a time.
struct Archive {
    store: MediaStore,
    files: VecDeque<(Entry, StoredFile)>,
    current: Option<Pieces>,
    /// `None` when the end has been sent.
    writer: Option<ZipWriter>,
}

impl Archive {
    fn new(store: MediaStore, files: impl Iterator<Item = (Entry, StoredFile)>) -> Self {
        Self { store, files: files.collect(), current: None, writer: Some(ZipWriter::new()) }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
        stream::try_unfold(self, |mut archive| async {
            // Breaks the answer off at an error, which the client can tell by the length.
            Ok(archive.next().await?.map(|piece| (piece, archive)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(writer) = &mut self.writer else { return Ok(None) };
        if let Some(pieces) = &mut self.current {
            let Some(piece) = pieces.try_next().await? else {
                self.current = None;
                return Ok(Some(writer.end().into()));
            };
            writer.pass(&piece);
            return Ok(Some(piece));
        }
        if let Some((entry, file)) = self.files.pop_front() {
            self.current = Some(Box::pin(self.store.offer(&file, 0..file.bytes)));
            return Ok(Some(writer.begin(entry).into()));
        }
        Ok(self.writer.take().map(|writer| writer.finish().into()))
    }
}
