//! Answering with a file: ranges (RFC 9110, section 14), validators, and its name (RFC 6266).

use std::ops::Range;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use media_store::{MediaStore, StoredFile};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use service_kit::Problem;

use crate::edge::Place;
use crate::error::Error;
use crate::intake::display_name;

/// What a browser does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// The browser saves the file.
    Attachment,
    /// The browser plays the file.
    Inline,
}

impl Disposition {
    fn as_str(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Inline => "inline",
        }
    }
}

/// Answers a GET or HEAD with a finished file, under its stored name. The body keeps the place until it is
/// sent.
pub(crate) fn audio_answer(
    store: &MediaStore,
    file: &StoredFile,
    place: Place,
    disposition: Disposition,
    request: &HeaderMap,
) -> Result<Response, Error> {
    // A file never changes under its id.
    let etag = format!("\"{}\"", file.fid);
    if is_listed(request.get(header::IF_NONE_MATCH), &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let range = match request.get(header::RANGE) {
        Some(range) if request.get(header::IF_RANGE).is_none_or(|wanted| wanted == etag.as_str()) => {
            requested_range(range, file.bytes)?
        }
        _ => None,
    };
    let mut headers = HeaderMap::new();
    let mut set = |name, value: String| -> Result<(), Error> {
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| ProblemCode::Internal)?);
        Ok(())
    };
    set(header::CONTENT_TYPE, file.content_type.clone().unwrap_or_else(|| "audio/mpeg".to_owned()))?;
    set(header::CONTENT_DISPOSITION, content_disposition(disposition, &display_name(&file.name)))?;
    set(header::ETAG, etag)?;
    set(header::ACCEPT_RANGES, "bytes".to_owned())?;
    set(header::CACHE_CONTROL, "private, no-transform".to_owned())?;
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned())?;
    let (status, span) = match range {
        None => (StatusCode::OK, 0..file.bytes),
        Some(span) => {
            set(header::CONTENT_RANGE, format!("bytes {}-{}/{}", span.start, span.end - 1, file.bytes))?;
            (StatusCode::PARTIAL_CONTENT, span)
        }
    };
    set(header::CONTENT_LENGTH, (span.end - span.start).to_string())?;
    Ok((status, headers, place.of(Body::from_stream(store.offer(file, span)))).into_response())
}

/// The one range that is requested; `None` if the whole file is the answer.
///
/// A header that is not a byte range is ignored, and several ranges may be answered with the whole file (RFC
/// 9110, section 14.2).
fn requested_range(header: &HeaderValue, bytes: u64) -> Result<Option<Range<u64>>, Problem> {
    let Some((first, last)) = header.to_str().ok().and_then(range_bounds) else { return Ok(None) };
    let range = match (first, last) {
        (Some(first), Some(last)) if first > last => return Ok(None),
        (Some(first), last) => first..last.map_or(bytes, |last| bytes.min(last.saturating_add(1))),
        (None, Some(suffix)) => bytes.saturating_sub(suffix)..bytes,
        (None, None) => return Ok(None),
    };
    if range.is_empty() {
        let length = HeaderValue::try_from(format!("bytes */{bytes}")).map_err(|_| ProblemCode::Internal)?;
        return Err(Problem::new(ProblemCode::RangeNotSatisfiable).with_header(header::CONTENT_RANGE, length));
    }
    Ok(Some(range))
}

fn range_bounds(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let bound = |text: &str| match text {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    };
    if unit.eq_ignore_ascii_case("bytes") { Some((bound(first)?, bound(last)?)) } else { None }
}

fn is_listed(header: Option<&HeaderValue>, etag: &str) -> bool {
    let Some(list) = header.and_then(|value| value.to_str().ok()) else { return false };
    list.split(',').map(str::trim).any(|item| item == "*" || item.trim_start_matches("W/") == etag)
}

/// `attr-char` of RFC 8187, section 3.2.1.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The value of `Content-Disposition`: the name in ASCII for old clients, and in full for all others.
pub(crate) fn content_disposition(disposition: Disposition, name: &str) -> String {
    let disposition = disposition.as_str();
    let plain = |c: char| {
        if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | '/') || c == ' ' { c } else { '_' }
    };
    let ascii: String = name.chars().map(plain).collect();
    if ascii == name {
        return format!("{disposition}; filename=\"{ascii}\"");
    }
    format!("{disposition}; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ENCODED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_to_old_and_new_clients() {
        let attachment = |name| content_disposition(Disposition::Attachment, name);
        assert_eq!(content_disposition(Disposition::Inline, "a.mp3"), "inline; filename=\"a.mp3\"");
        assert_eq!(attachment("talk 1.mp3"), "attachment; filename=\"talk 1.mp3\"");
        let name = attachment("Übung \"1\".mp3");
        assert_eq!(name, "attachment; filename=\"_bung _1_.mp3\"; filename*=UTF-8''%C3%9Cbung%20%221%22.mp3");
        assert!(!attachment("a\r\nSet-Cookie: x").contains(['\r', '\n']));
    }

    #[test]
    fn one_range_is_served_and_odd_ones_are_not_taken_for_one() {
        let range =
            |text: &str| requested_range(&HeaderValue::from_str(text).unwrap(), 100).map_err(|p| p.code());
        assert_eq!(range("bytes=0-9"), Ok(Some(0..10)));
        assert_eq!(range("bytes=90-"), Ok(Some(90..100)));
        assert_eq!(range("bytes=-10"), Ok(Some(90..100)));
        assert_eq!(range("bytes=90-1000"), Ok(Some(90..100)));
        assert_eq!(range("bytes=-1000"), Ok(Some(0..100)));
        assert_eq!(range("bytes=0-9,20-29"), Ok(None));
        for odd in ["lines=1-2", "bytes=9-0", "bytes=-", "bytes=+1-2", "bytes=1-x", "bytes 0-9", ""] {
            assert_eq!(range(odd), Ok(None), "{odd:?}");
        }
        assert_eq!(range("bytes=100-"), Err(ProblemCode::RangeNotSatisfiable));
        assert_eq!(range("bytes=-0"), Err(ProblemCode::RangeNotSatisfiable));
    }
}
