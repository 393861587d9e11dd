use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::{ConversionOptions, ProblemCode, decode_legacy_text};
use service_kit::{FieldError, Problem};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::error::Error;
use crate::intake::{Checksum, Standing, UploadRequest, display_name};

pub(super) const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
pub(super) const EXTENSIONS: HeaderValue =
    HeaderValue::from_static("creation,creation-with-upload,termination,expiration,checksum");
pub(super) const ALGORITHMS: HeaderValue = HeaderValue::from_static("sha1,sha256");
/// The protocol's media type, and the one that generated clients can send.
const UPLOAD_TYPES: [&str; 2] = ["application/offset+octet-stream", "application/octet-stream"];

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const JOB_LOCATION: HeaderName = HeaderName::from_static("job-location");
pub(super) const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

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

/// Adds the protocol's version to every answer, even to refusals.
pub(crate) async fn say_version(mut response: Response) -> Response {
    response.headers_mut().insert(TUS_RESUMABLE, VERSION);
    response
}

pub(super) fn answer(status: StatusCode, standing: &Standing) -> Result<Response, Error> {
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

/// A date in the format of RFC 9110, section 5.6.7.
fn http_date(moment: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    moment.format(FORMAT).unwrap_or_default()
}

pub(super) fn is_bytes_of_an_upload(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| UPLOAD_TYPES.iter().any(|known| kind == known))
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn beyond_the_end() -> Error {
    let detail = "There are more bytes than the upload was to have.";
    Problem::new(ProblemCode::TooLarge).with_detail(detail).into()
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    headers.get(name).map(|value| value.to_str().map_err(|_| malformed(name))).transpose()
}

pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Error> {
    let digits = text(headers, name)?.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| malformed(name))
}

fn malformed(name: &HeaderName) -> Error {
    let error = FieldError::new(name.as_str(), "is missing or malformed");
    let detail = format!("The header `{name}` is missing or malformed.");
    Problem::new(ProblemCode::BadRequest).with_detail(detail).with_error(error).into()
}

pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Error> {
    let Some(text) = text(headers, &UPLOAD_CHECKSUM)? else { return Ok(None) };
    let checksum = || {
        let (algorithm, expected) = text.split_once(' ')?;
        Checksum::new(algorithm, STANDARD.decode(expected).ok()?)
    };
    checksum().map(Some).ok_or_else(|| malformed(&UPLOAD_CHECKSUM))
}

/// Parses `Upload-Metadata`. Stock clients send keys of their own that are not options; they are ignored.
pub(super) fn upload_request(metadata: &str) -> Result<UploadRequest, Error> {
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
    Ok(UploadRequest::new(display_name(&name), content_type.as_deref(), &options)?)
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
        let request = upload_request(&metadata).unwrap();
        assert_eq!((request.name.as_str(), request.content_type.as_str()), ("Übung.mp4", "video/mp4"));
        assert_eq!(request.options.format, contracts::AudioFormat::Flac);
        let nothing = upload_request("").unwrap();
        assert_eq!(
            (nothing.name.as_str(), nothing.content_type.as_str()),
            ("video", "application/octet-stream")
        );
    }

    #[test]
    fn malformed_metadata_is_refused() {
        let code = |metadata: &str| match upload_request(metadata) {
            Err(Error::Refused(problem)) => problem.code(),
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
        let request = upload_request(&uppy.join(", ")).unwrap();
        assert_eq!((request.name.as_str(), request.content_type.as_str()), ("Größe 😀.mp4", "video/mp4"));
        assert_eq!(request.options, ConversionOptions::parse([("quality", "V4")]).unwrap());
    }

    #[test]
    fn the_name_is_taken_from_where_there_is_one() {
        let name = |metadata: &[String]| upload_request(&metadata.join(",")).unwrap().name;
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
