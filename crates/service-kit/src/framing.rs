//! Finds where the requests on a connection begin and end, independently of hyper.
//!
//! Hyper drops headers that it ignores: one of two equal lengths, and a length beside an encoding. But a
//! proxy in front may have chosen the other (RFC 9112, section 6.3). So every head is checked as it arrived.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use contracts::ProblemCode;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Version};

use crate::Problem;

/// Twice the length of a relevant name, a colon and twenty digits.
const LINE_BYTES: usize = 96;

/// Follows the arriving bytes of a connection from head to head.
#[derive(Debug)]
pub(crate) struct Framing {
    place: Place,
    line: Vec<u8>,
    is_line_cut: bool,
    has_begun: bool,
    lengths: usize,
    encodings: usize,
    body: Option<u64>,
    heads: Heads,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Head,
    /// This many bytes of a body are missing.
    Body(u64),
    /// The current request is the last on its connection.
    Last,
}

/// The endings of the heads that hyper has not reached yet, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heads(Arc<Mutex<VecDeque<Ending>>>);

/// Where a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every program agrees.
    Clear,
    /// Two programs could disagree.
    Ambiguous,
}

impl Heads {
    /// The ending of the next head. An unseen head counts as ambiguous.
    pub(crate) fn next(&self) -> Ending {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Ending::Ambiguous)
    }

    fn push(&self, ending: Ending) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(ending);
    }
}

impl Framing {
    pub(crate) fn new(heads: Heads) -> Self {
        Self {
            place: Place::Head,
            line: Vec::new(),
            is_line_cut: false,
            has_begun: false,
            lengths: 0,
            encodings: 0,
            body: None,
            heads,
        }
    }

    /// Processes arrived bytes.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.place {
                Place::Last => return,
                Place::Body(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[taken..];
                    self.place = match left - taken as u64 {
                        0 => Place::Head,
                        left => Place::Body(left),
                    };
                }
                Place::Head => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let part = &bytes[..end.unwrap_or(bytes.len())];
                    let kept = part.len().min(LINE_BYTES - self.line.len());
                    self.line.extend_from_slice(&part[..kept]);
                    self.is_line_cut |= kept < part.len();
                    bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
                    if end.is_some() {
                        self.end_line();
                    }
                }
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let is_cut = std::mem::replace(&mut self.is_line_cut, false);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() && !is_cut {
            // Empty lines before a request are skipped.
            if self.has_begun {
                self.end_head();
            }
            return;
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str().as_bytes()) {
            self.lengths += 1;
            let digits = std::str::from_utf8(value).ok().filter(|_| !is_cut);
            self.body = digits.and_then(|digits| digits.parse().ok());
        } else if name.eq_ignore_ascii_case(TRANSFER_ENCODING.as_str().as_bytes()) {
            self.encodings += 1;
        }
    }

    fn end_head(&mut self) {
        self.has_begun = false;
        let (lengths, encodings) = (std::mem::take(&mut self.lengths), std::mem::take(&mut self.encodings));
        let body = self.body.take();
        let is_ambiguous = lengths + encodings > 1 || (lengths == 1 && body.is_none());
        self.heads.push(if is_ambiguous { Ending::Ambiguous } else { Ending::Clear });
        self.place = match body {
            _ if is_ambiguous || encodings > 0 => Place::Last,
            Some(1..) => Place::Body(body.unwrap_or_default()),
            Some(0) | None => Place::Head,
        };
    }
}

/// Refuses a request if two programs could disagree about its end or its host.
///
/// A chunked request is the last on its connection: a program that divides it differently finds nothing after
/// it to take for another request.
pub(crate) async fn refuse_ambiguity(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let encodings = headers.get_all(TRANSFER_ENCODING).iter().count();
    let is_ambiguous = lengths + encodings > 1
        || request.extensions().get() == Some(&Ending::Ambiguous)
        || !names_one_host(headers, request.version());
    let mut response = if is_ambiguous {
        Problem::new(ProblemCode::BadRequest).into_response()
    } else {
        next.run(request).await
    };
    if is_ambiguous || encodings > 0 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// RFC 9112, section 3.2. HTTP/1.0 has no `Host`.
fn names_one_host(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version == Version::HTTP_10,
        (Some(host), None) => {
            Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endings(bytes: &str, piece: usize) -> Vec<Ending> {
        let heads = Heads::default();
        let mut framing = Framing::new(heads.clone());
        bytes.as_bytes().chunks(piece).for_each(|piece| framing.pass(piece));
        heads.0.lock().unwrap().drain(..).collect()
    }

    #[test]
    fn heads_are_found_behind_bodies_however_they_arrive() {
        let post = "\r\nPOST / HTTP/1.1\r\nhost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n";
        let get = "GET /content-length: HTTP/1.1\nhost: a\n\n";
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "content-length: 1".repeat(100));
        let all = [post, get, &long, post].concat();
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(endings(&all, piece), [Ending::Clear; 4], "{piece}");
        }
    }

    #[test]
    fn two_lengths_or_encodings_in_whatever_order_are_ambiguous() {
        for headers in [
            "content-length: 4\r\ntransfer-encoding: chunked",
            "Transfer-Encoding: chunked\r\nCONTENT-LENGTH:4",
            "content-length: 4\r\ncontent-length: 4",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "content-length: +",
            &format!("content-length: {}4", " ".repeat(100)),
        ] {
            let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{headers}\r\n\r\nGET / HTTP/1.1\r\n\r\n");
            assert_eq!(endings(&request, 5), [Ending::Ambiguous], "{headers}");
        }
        let chunked =
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(endings(chunked, 9), [Ending::Clear]);
    }

    #[test]
    fn a_request_is_for_one_host() {
        let is_fine = |hosts: &[&'static str], version| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_static(host));
            }
            names_one_host(&headers, version)
        };
        for host in ["a", "a.example:8080", "[::1]:80", "192.0.2.1"] {
            assert!(is_fine(&[host], Version::HTTP_11), "{host}");
        }
        for hosts in [&[][..], &["a", "a"], &["a", "b"], &[""], &["a b"], &["a@b"], &["a/b"], &["a, b"]] {
            assert!(!is_fine(hosts, Version::HTTP_11), "{hosts:?}");
        }
        assert!(is_fine(&[], Version::HTTP_10) && !is_fine(&["a", "a"], Version::HTTP_10));
    }
}
