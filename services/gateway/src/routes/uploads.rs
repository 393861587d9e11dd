//! tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): core, creation, creation-with-upload, termination, expiration and checksum.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::{ConversionOptions, FileId, JobId, Owner, ProblemCode, decode_legacy_text};
use media_store::{Draft, DraftDiscarded, NewDraft};
use service_kit::Problem;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::upload::admit;
use crate::Gateway;
use crate::error::Error;
use crate::identity::caller::Caller;
use crate::intake::file_name::display_name;
use crate::intake::receive::Wish;
use crate::intake::resumable::{About, Checksum, Standing, complete, go_on};
use crate::openapi::ProblemAnswer;

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSIONS: HeaderValue =
    HeaderValue::from_static("creation,creation-with-upload,termination,expiration,checksum");
const ALGORITHMS: HeaderValue = HeaderValue::from_static("sha1,sha256");
const BYTES_OF_AN_UPLOAD: &str = "application/offset+octet-stream";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const JOB_LOCATION: HeaderName = HeaderName::from_static("job-location");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// Room for a file's name and every option.
const MAX_METADATA_BYTES: usize = 8 << 10;

/// A request that speaks our version of the protocol.
pub(crate) struct Tus;

impl<S: Sync> FromRequestParts<S> for Tus {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        if parts.headers.get(TUS_RESUMABLE) == Some(&VERSION) {
            return Ok(Self);
        }
        let problem = Problem::new(ProblemCode::UnsupportedTusVersion);
        Err(problem.with_header(TUS_VERSION, VERSION).into())
    }
}

/// Every answer says which version it speaks, refusals too.
pub(crate) async fn say_version(mut response: Response) -> Response {
    response.headers_mut().insert(TUS_RESUMABLE, VERSION);
    response
}

/// The version of tus.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes a header to the OpenAPI document")]
enum TusVersion {
    #[schema(rename = "1.0.0")]
    One,
}

/// A part of the file.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes a body to the OpenAPI document")]
struct Part(Vec<u8>);

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
pub(crate) async fn capabilities(State(gateway): State<Arc<Gateway>>) -> Response {
    let headers = [
        (TUS_VERSION, VERSION),
        (HeaderName::from_static("tus-extension"), EXTENSIONS),
        (HeaderName::from_static("tus-max-size"), HeaderValue::from(gateway.uploads.max_bytes())),
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
    request_body(content = inline(Part), content_type = "application/offset+octet-stream"),
    responses(
        (status = 201, description = "Begun; finished already if every byte was sent with it", headers(
            ("location", description = "Address of the upload"),
            ("upload-offset", description = "How much of the file is stored"),
            ("upload-expires", description = "When it is given up unless more is sent"),
            ("job-location", description = "Address of the job, once every byte is there"),
        )),
        (status = 400, description = "`bad_request`, `empty_file`, `incomplete_upload`, `bad_option`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 412, description = "`unsupported_tus_version`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 460, description = "`checksum_mismatch`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 507, description = "`insufficient_storage`: the service has no room, try again later", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    _: Tus,
    Caller(owner): Caller,
    request: Request,
) -> Result<Response, Error> {
    let headers = request.headers();
    let bytes = number(headers, &UPLOAD_LENGTH)?;
    if bytes == 0 {
        return Err(ProblemCode::EmptyFile.into());
    }
    if bytes > gateway.uploads.max_bytes() {
        return Err(gateway.uploads.too_large().into());
    }
    let metadata = text(headers, &UPLOAD_METADATA)?.unwrap_or_default().to_owned();
    let wish = wish(&metadata)?;
    let sends_bytes = is_bytes_of_an_upload(headers);
    let length = content_length(headers);
    if !sends_bytes && length.is_some_and(|length| length > 0) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    if length.is_some_and(|length| length > bytes) {
        return Err(beyond_the_end());
    }
    let checksum = if sends_bytes { checksum(headers)? } else { None };
    admit(&gateway, &owner, bytes).await?;

    let id = owner.id;
    let user = id.to_string();
    let about = About { job: JobId::generate(), owner, options: wish.options, metadata };
    let new = NewDraft {
        name: &wish.name,
        content_type: &wish.content_type,
        bytes,
        owner: &user,
        about: &serde_json::to_string(&about).map_err(Error::Draft)?,
        lasts: gateway.uploads.lasts(),
    };
    let draft = gateway.videos.begin_draft(new).await?;
    // Behind its beginning, as with jobs: an erasure that does not see the draft is seen here.
    if gateway.jobs.is_erased(about.owner.id).await? {
        gateway.videos.discard_draft(draft.fid).await?;
        return Err(ProblemCode::InvalidToken.into());
    }
    let location = HeaderValue::try_from(format!("/uploads/{}", draft.fid));
    let standing = if sends_bytes {
        go_on(&gateway, &draft, id, 0, checksum, request.into_body()).await?
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
        (status = 401, description = "`no_token`, `invalid_token`, `expired_token`"),
        (status = 404, description = "`not_found`"),
        (status = 412, description = "`unsupported_tus_version`"),
        (status = 503, description = "`unavailable`"),
    ),
)]
pub(crate) async fn look(
    State(gateway): State<Arc<Gateway>>,
    _: Tus,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let (draft, about) = own_draft(&gateway, &owner, &id).await?;
    let standing = complete(&gateway, draft, crate::intake::resumable::COMPLETION_PATIENCE).await?;
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
    request_body(content = inline(Part), content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, description = "Stored", headers(
            ("upload-offset", description = "How much of the file is stored"),
            ("upload-expires", description = "When it is given up unless more is sent"),
            ("job-location", description = "Address of the job, once every byte is there"),
        )),
        (status = 400, description = "`bad_request`, `incomplete_upload`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 409, description = "`wrong_offset`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 412, description = "`unsupported_tus_version`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`: more bytes than the file was to have", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 423, description = "`upload_locked`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 460, description = "`checksum_mismatch`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 507, description = "`insufficient_storage`: the service has no room, try again later", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn append(
    State(gateway): State<Arc<Gateway>>,
    _: Tus,
    Caller(owner): Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let headers = request.headers();
    if !is_bytes_of_an_upload(headers) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    let offset = number(headers, &UPLOAD_OFFSET)?;
    let checksum = checksum(headers)?;
    let (draft, _) = own_draft(&gateway, &owner, &id).await?;
    // Where the offset is wrong, that is what the client must hear.
    let missing = draft.bytes.checked_sub(offset);
    if let (Some(missing), Some(length)) = (missing, content_length(headers))
        && length > missing
        && offset == draft.offset
    {
        return Err(beyond_the_end());
    }
    let standing = go_on(&gateway, &draft, owner.id, offset, checksum, request.into_body()).await?;
    answer(StatusCode::NO_CONTENT, &standing)
}

/// Give one of your uploads up; what was stored of it is deleted. One that has become a job is only forgotten.
#[utoipa::path(
    delete, path = "/uploads/{id}", tag = "uploads", security(("token" = [])),
    params(("id" = FileId, Path,), ("Tus-Resumable" = inline(TusVersion), Header)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 412, description = "`unsupported_tus_version`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 423, description = "`upload_locked`: it is becoming a job at this moment", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn terminate(
    State(gateway): State<Arc<Gateway>>,
    _: Tus,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let (draft, _) = own_draft(&gateway, &owner, &id).await?;
    match gateway.videos.discard_draft(draft.fid).await? {
        DraftDiscarded::Deleted | DraftDiscarded::Forgotten => Ok(StatusCode::NO_CONTENT),
        DraftDiscarded::Busy => Err(ProblemCode::UploadLocked.into()),
        DraftDiscarded::Gone => Err(ProblemCode::NotFound.into()),
    }
}

/// For clients whose network lets only GET and POST through.
pub(crate) async fn overridden(
    gateway: State<Arc<Gateway>>,
    tus: Tus,
    caller: Caller,
    id: Path<String>,
    request: Request<Body>,
) -> Result<Response, Error> {
    let method = text(request.headers(), &METHOD_OVERRIDE)?.and_then(|name| name.parse().ok());
    match method {
        Some(Method::PATCH) => append(gateway, tus, caller, id, request).await,
        Some(Method::DELETE) => Ok(terminate(gateway, tus, caller, id).await?.into_response()),
        Some(Method::HEAD) => look(gateway, tus, caller, id).await,
        _ => Err(ProblemCode::MethodNotAllowed.into()),
    }
}

async fn own_draft(gateway: &Gateway, owner: &Owner, id: &str) -> Result<(Draft, About), Error> {
    let fid: FileId = id.parse().map_err(|_| ProblemCode::NotFound)?;
    let draft = gateway.videos.draft(fid).await?.ok_or(ProblemCode::NotFound)?;
    let about = About::of(&draft)?;
    if about.owner.id == owner.id { Ok((draft, about)) } else { Err(ProblemCode::NotFound.into()) }
}

fn answer(status: StatusCode, standing: &Standing) -> Result<Response, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(standing.draft.offset));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut set = |name, value: String| {
        HeaderValue::try_from(value)
            .map(|value| headers.insert(name, value))
            .map_err(|_| ProblemCode::Internal)
    };
    match standing.job {
        Some(job) => set(JOB_LOCATION, format!("/jobs/{job}"))?,
        None => set(UPLOAD_EXPIRES, http_date(standing.draft.expires_at))?,
    };
    Ok((status, headers).into_response())
}

/// As RFC 9110, section 5.6.7, writes it.
fn http_date(moment: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    moment.format(FORMAT).unwrap_or_default()
}

fn is_bytes_of_an_upload(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == BYTES_OF_AN_UPLOAD)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn beyond_the_end() -> Error {
    let detail = "There are more bytes than the upload was to have.";
    Problem::new(ProblemCode::TooLarge).with_detail(detail).into()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    headers.get(name).map(|value| value.to_str().map_err(|_| malformed(name))).transpose()
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Error> {
    let digits = text(headers, name)?.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| malformed(name))
}

fn malformed(name: &HeaderName) -> Error {
    let detail = format!("The header `{name}` is missing or malformed.");
    Problem::new(ProblemCode::BadRequest).with_detail(detail).into()
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Error> {
    let Some(text) = text(headers, &UPLOAD_CHECKSUM)? else { return Ok(None) };
    let checksum = || {
        let (algorithm, expected) = text.split_once(' ')?;
        Checksum::new(algorithm, STANDARD.decode(expected).ok()?)
    };
    checksum().map(Some).ok_or_else(|| malformed(&UPLOAD_CHECKSUM))
}

/// What `Upload-Metadata` asks for. Stock clients send keys of their own with it, which are no options and no fault.
fn wish(metadata: &str) -> Result<Wish, Error> {
    let malformed = || malformed(&UPLOAD_METADATA);
    if metadata.len() > MAX_METADATA_BYTES {
        return Err(malformed());
    }
    let (mut file_name, mut name, mut content_type) = (None, None, None);
    let mut options = Vec::new();
    for pair in metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = decode_legacy_text(&STANDARD.decode(value).map_err(|_| malformed())?);
        match key {
            "filename" => file_name = Some(value),
            "name" => name = Some(value),
            "filetype" => content_type = Some(value),
            option if ConversionOptions::has(option) => options.push((option.to_owned(), value)),
            _ => {}
        }
    }
    let name = file_name.filter(|name| !name.is_empty()).or(name).unwrap_or_default();
    Ok(Wish::new(display_name(&name), content_type.as_deref(), &options)?)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn pair(key: &str, value: &str) -> String {
        format!("{key} {}", STANDARD.encode(value))
    }

    #[test]
    fn metadata_has_the_name_and_the_options() {
        let metadata =
            [pair("filename", "../Übung.mp4"), pair("filetype", "video/mp4"), pair("format", "flac")]
                .join(",");
        let wish = wish(&metadata).unwrap();
        assert_eq!((wish.name.as_str(), wish.content_type.as_str()), ("Übung.mp4", "video/mp4"));
        assert_eq!(wish.options.format, contracts::AudioFormat::Flac);
        let nothing = super::wish("").unwrap();
        assert_eq!(
            (nothing.name.as_str(), nothing.content_type.as_str()),
            ("video", "application/octet-stream")
        );
    }

    #[test]
    fn metadata_that_is_none_is_refused() {
        let code = |metadata: &str| match wish(metadata) {
            Err(
                Error::Refused(problem)
                | Error::Upload(crate::intake::receive::UploadError::Refused(problem)),
            ) => problem.code(),
            other => panic!("{other:?}"),
        };
        assert_eq!(code("filename ???"), ProblemCode::BadRequest);
        assert_eq!(code("anything ???"), ProblemCode::BadRequest);
        assert_eq!(code(&"a".repeat(MAX_METADATA_BYTES + 1)), ProblemCode::BadRequest);
        assert_eq!(code(&pair("quality", "V10")), ProblemCode::BadOption);
        assert_eq!(code(&[pair("quality", "V2"), pair("quality", "V2")].join(",")), ProblemCode::BadOption);
        assert_eq!(code("quality"), ProblemCode::BadOption);
    }

    #[test]
    fn keys_that_are_no_options_are_ignored() {
        let uppy = [
            pair("relativePath", "null"),
            pair("name", "Größe 😀.mp4"),
            pair("type", "video/mp4"),
            pair("filetype", "video/mp4"),
            pair("filename", "Größe 😀.mp4"),
            "is_confidential".to_owned(),
            pair("quality", "V4"),
        ];
        let wish = wish(&uppy.join(", ")).unwrap();
        assert_eq!((wish.name.as_str(), wish.content_type.as_str()), ("Größe 😀.mp4", "video/mp4"));
        assert_eq!(wish.options, ConversionOptions::parse([("quality", "V4")]).unwrap());
    }

    #[test]
    fn the_name_is_taken_from_where_there_is_one() {
        let name = |metadata: &[String]| wish(&metadata.join(",")).unwrap().name;
        assert_eq!(name(&[pair("name", "../a.mp4")]), "a.mp4");
        assert_eq!(name(&[pair("filename", "b.mp4"), pair("name", "a.mp4")]), "b.mp4");
        assert_eq!(name(&["filename".to_owned(), pair("name", "a.mp4")]), "a.mp4");
        assert_eq!(name(&["filename".to_owned(), "name ".to_owned()]), "video");
        let latin_1 = format!("filename {}", STANDARD.encode(b"Gr\xf6\xdfe.mp4"));
        assert_eq!(name(&[latin_1]), "Größe.mp4");
    }

    #[test]
    fn expiry_is_told_as_http_tells_dates() {
        assert_eq!(http_date(datetime!(2026-11-02 04:05:06.7 UTC)), "Mon, 02 Nov 2026 04:05:06 GMT");
    }
}
