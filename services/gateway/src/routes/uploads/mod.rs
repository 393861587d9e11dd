//! tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): core, creation, creation-with-upload,
//! termination, expiration and checksum.

mod headers;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{FileId, Owner, ProblemCode};
use media_store::{Draft, DraftDiscarded};
use service_kit::Id;

use self::headers::{
    ALGORITHMS, EXTENSIONS, METHOD_OVERRIDE, TUS_VERSION, Tus, UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET,
    VERSION, answer, beyond_the_end, checksum, content_length, is_bytes_of_an_upload, number, text,
    upload_request,
};
use super::Binary;
use crate::error::Error;
use crate::identity::{Anyone, Caller, Upload};
use crate::intake::{About, COMPLETION_TIMEOUT, Standing};
use crate::state::Gateway;

pub(crate) use self::headers::say_version;

/// The version of tus.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes a header to the OpenAPI document")]
enum TusVersion {
    #[schema(rename = "1.0.0")]
    One,
}

/// Ask what is spoken here: tus 1.0.0, for uploads that survive a bad connection.
#[utoipa::path(
    options, path = "/uploads", tag = "uploads",
    responses((status = 204, description = "The protocol's version, extensions and limits", headers(
        ("tus-version", description = "`1.0.0`"),
        ("tus-extension", description = "`creation,creation-with-upload,termination,expiration,checksum`"),
        ("tus-max-size", description = "The largest file that is taken, in bytes"),
        ("tus-checksum-algorithm", description = "`sha1,sha256`"),
    ))),
)]
pub(crate) async fn get_capabilities(State(gateway): State<Gateway>, _: Anyone) -> Response {
    let headers = [
        (TUS_VERSION, VERSION),
        (HeaderName::from_static("tus-extension"), EXTENSIONS),
        (HeaderName::from_static("tus-max-size"), HeaderValue::from(gateway.intake.policy.max_bytes())),
        (HeaderName::from_static("tus-checksum-algorithm"), ALGORITHMS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Begin an upload, with its first bytes if you like.
///
/// `Upload-Metadata` has the file's name as `filename` (or `name`), its media type as `filetype` if you like, and the options of
/// `POST /upload` under their own names. Other keys are ignored: clients send some by themselves.
#[utoipa::path(
    post, path = "/uploads", tag = "uploads", security(("token" = [])),
    params(
        ("Tus-Resumable" = inline(TusVersion), Header),
        ("Upload-Length" = u64, Header, description = "The file's length in bytes"),
        ("Upload-Metadata" = Option<String>, Header, description = "Pairs of a name and a value in Base64, with commas between"),
        ("Upload-Checksum" = Option<String>, Header, description = "Of the bytes sent with it: `sha1` or `sha256`, and the sum in Base64"),
    ),
    request_body(content(
        (inline(Binary) = "application/offset+octet-stream"),
        (inline(Binary) = "application/octet-stream"),
    )),
    responses(
        (status = 201, description = "Begun; finished already if every byte was sent with it", headers(
            ("location", description = "Address of the upload"),
            ("upload-offset", description = "How much of the file is stored"),
            ("upload-expires", description = "When it is given up unless more is sent"),
            ("job-location", description = "Address of the job, once every byte is there"),
        )),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::EmptyFile, ProblemCode::IncompleteUpload, ProblemCode::BadOption, ProblemCode::AddressNotVerified, ProblemCode::StorageFull, ProblemCode::UnsupportedTusVersion, ProblemCode::TooManyJobs, ProblemCode::DailyLimit, ProblemCode::ChecksumMismatch, ProblemCode::InsufficientStorage]))),
)]
pub(crate) async fn create_upload(
    State(gateway): State<Gateway>,
    _: Tus,
    Caller { owner, .. }: Caller<Upload>,
    request: Request,
) -> Result<Response, Error> {
    let headers = request.headers();
    let bytes = number(headers, &UPLOAD_LENGTH)?;
    if bytes == 0 {
        return Err(ProblemCode::EmptyFile.into());
    }
    if bytes > gateway.intake.policy.max_bytes() {
        return Err(gateway.intake.policy.too_large().into());
    }
    let metadata = text(headers, &UPLOAD_METADATA)?.unwrap_or_default().to_owned();
    let wanted = upload_request(&metadata)?;
    let sends_bytes = is_bytes_of_an_upload(headers);
    let length = content_length(headers);
    if !sends_bytes && length.is_some_and(|length| length > 0) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    if length.is_some_and(|length| length > bytes) {
        return Err(beyond_the_end());
    }
    let checksum = if sends_bytes { checksum(headers)? } else { None };
    let user = owner.id;
    let draft = gateway.intake.begin_draft(owner, bytes, &wanted, metadata).await?;
    let location = HeaderValue::try_from(format!("/uploads/{}", draft.fid));
    let standing = if sends_bytes {
        gateway.intake.resume(&draft, user, 0, checksum, request.into_body()).await?
    } else {
        Standing { draft, job: None }
    };
    let mut response = answer(StatusCode::CREATED, &standing)?;
    response.headers_mut().insert(header::LOCATION, location.map_err(|_| ProblemCode::Internal)?);
    Ok(response)
}

/// Ask where one of your uploads stands.
#[utoipa::path(
    head, path = "/uploads/{id}", tag = "uploads", security(("token" = [])),
    params(("id" = FileId, Path,), ("Tus-Resumable" = inline(TusVersion), Header)),
    responses(
        (status = 200, description = "Where it stands", headers(
            ("upload-offset", description = "How much of the file is stored"),
            ("upload-length", description = "The file's length"),
            ("upload-metadata", description = "As it was given"),
            ("upload-expires", description = "When it is given up unless more is sent"),
            ("job-location", description = "Address of the job, once every byte is there"),
        )),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound, ProblemCode::UnsupportedTusVersion]))),
)]
pub(crate) async fn get_upload(
    State(gateway): State<Gateway>,
    _: Tus,
    Caller { owner, .. }: Caller<Upload>,
    Id(id): Id<FileId>,
) -> Result<Response, Error> {
    let (draft, about) = own_draft(&gateway, &owner, id).await?;
    let standing = gateway.intake.complete(draft, COMPLETION_TIMEOUT).await?;
    let mut response = answer(StatusCode::OK, &standing)?;
    let headers = response.headers_mut();
    headers.insert(UPLOAD_LENGTH, HeaderValue::from(standing.draft.bytes));
    if !about.metadata.is_empty() {
        let metadata = HeaderValue::try_from(about.metadata).map_err(|_| ProblemCode::Internal)?;
        headers.insert(UPLOAD_METADATA, metadata);
    }
    Ok(response)
}

/// Go on with one of your uploads, at the offset where it stands. When the last byte is there, it becomes a job.
///
/// Another connection that still sends to the same upload is asked to stop. What arrived of a request that broke off is kept,
/// unless it has a checksum.
#[utoipa::path(
    patch, path = "/uploads/{id}", tag = "uploads", security(("token" = [])),
    params(
        ("id" = FileId, Path,),
        ("Tus-Resumable" = inline(TusVersion), Header),
        ("Upload-Offset" = u64, Header, description = "Where these bytes begin in the file"),
        ("Upload-Checksum" = Option<String>, Header, description = "Of these bytes: `sha1` or `sha256`, and the sum in Base64"),
    ),
    request_body(content(
        (inline(Binary) = "application/offset+octet-stream"),
        (inline(Binary) = "application/octet-stream"),
    )),
    responses(
        (status = 204, description = "Stored", headers(
            ("upload-offset", description = "How much of the file is stored"),
            ("upload-expires", description = "When it is given up unless more is sent"),
            ("job-location", description = "Address of the job, once every byte is there"),
        )),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::IncompleteUpload, ProblemCode::NotFound, ProblemCode::WrongOffset, ProblemCode::UnsupportedTusVersion, ProblemCode::UploadLocked, ProblemCode::ChecksumMismatch, ProblemCode::InsufficientStorage, ProblemCode::TooLarge]))),
)]
pub(crate) async fn append_to_upload(
    State(gateway): State<Gateway>,
    _: Tus,
    Caller { owner, .. }: Caller<Upload>,
    Id(id): Id<FileId>,
    request: Request,
) -> Result<Response, Error> {
    let headers = request.headers();
    if !is_bytes_of_an_upload(headers) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    let offset = number(headers, &UPLOAD_OFFSET)?;
    let checksum = checksum(headers)?;
    let (draft, _) = own_draft(&gateway, &owner, id).await?;
    // If the offset is wrong, the client must get that error instead.
    let missing = draft.bytes.checked_sub(offset);
    if let (Some(missing), Some(length)) = (missing, content_length(headers))
        && length > missing
        && offset == draft.offset
    {
        return Err(beyond_the_end());
    }
    let standing = gateway.intake.resume(&draft, owner.id, offset, checksum, request.into_body()).await?;
    answer(StatusCode::NO_CONTENT, &standing)
}

/// Give one of your uploads up; what was stored of it is deleted. One that has become a job is only forgotten.
#[utoipa::path(
    delete, path = "/uploads/{id}", tag = "uploads", security(("token" = [])),
    params(("id" = FileId, Path,), ("Tus-Resumable" = inline(TusVersion), Header)),
    responses(
        (status = 204, description = "Gone"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound, ProblemCode::UnsupportedTusVersion, ProblemCode::UploadLocked]))),
)]
pub(crate) async fn delete_upload(
    State(gateway): State<Gateway>,
    _: Tus,
    Caller { owner, .. }: Caller<Upload>,
    Id(id): Id<FileId>,
) -> Result<StatusCode, Error> {
    let (draft, _) = own_draft(&gateway, &owner, id).await?;
    match gateway.intake.videos.discard_draft(draft.fid).await? {
        DraftDiscarded::Deleted | DraftDiscarded::Forgotten => Ok(StatusCode::NO_CONTENT),
        DraftDiscarded::Busy => Err(ProblemCode::UploadLocked.into()),
        DraftDiscarded::Gone => Err(ProblemCode::NotFound.into()),
    }
}

/// For clients whose network lets through only GET and POST.
pub(crate) async fn override_method(
    gateway: State<Gateway>,
    tus: Tus,
    caller: Caller<Upload>,
    id: Id<FileId>,
    request: Request<Body>,
) -> Result<Response, Error> {
    let method = text(request.headers(), &METHOD_OVERRIDE)?.and_then(|name| name.parse().ok());
    match method {
        Some(Method::PATCH) => append_to_upload(gateway, tus, caller, id, request).await,
        Some(Method::DELETE) => Ok(delete_upload(gateway, tus, caller, id).await?.into_response()),
        Some(Method::HEAD) => get_upload(gateway, tus, caller, id).await,
        _ => Err(ProblemCode::MethodNotAllowed.into()),
    }
}

async fn own_draft(gateway: &Gateway, owner: &Owner, fid: FileId) -> Result<(Draft, About), Error> {
    let draft = gateway.intake.videos.draft(fid).await?.ok_or(ProblemCode::NotFound)?;
    let about = About::of(&draft)?;
    if about.owner.id == owner.id { Ok((draft, about)) } else { Err(ProblemCode::NotFound.into()) }
}
