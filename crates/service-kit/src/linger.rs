//! Answers to requests whose body was not read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use hyper::body::{Frame, SizeHint};

/// How much of an unwanted body is still read, and for how long.
const LINGER_BYTES: u64 = 64 << 20;
const LINGER: Duration = Duration::from_secs(3);

/// Ensures that a client that is still sending gets the answer. Closing a connection with unread data resets
/// it, and the answer may be lost; so the rest of the body is read for a while. The answer announces that the
/// connection closes, or the client would send its next request on it.
pub(crate) async fn linger(request: Request, next: Next) -> Response {
    let has_ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let is_held_back = request.headers().contains_key(header::EXPECT);
    let request = request
        .map(|body| Body::new(LingeringBody { body, is_held_back, has_ended: Arc::clone(&has_ended) }));
    let mut response = next.run(request).await;
    if !has_ended.load(Ordering::Acquire) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

struct LingeringBody {
    body: Body,
    /// The client waits with the body (`Expect: 100-continue`) until it is read.
    is_held_back: bool,
    has_ended: Arc<AtomicBool>,
}

impl HttpBody for LingeringBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_held_back = false;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // After an error nothing more arrives, either.
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.has_ended.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LingeringBody {
    fn drop(&mut self) {
        if self.is_held_back || self.has_ended.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut rest = std::mem::take(&mut self.body).into_data_stream();
        runtime.spawn(tokio::time::timeout(LINGER, async move {
            let mut left = LINGER_BYTES;
            while let Some(Ok(piece)) = rest.next().await {
                match left.checked_sub(piece.len() as u64) {
                    Some(less) => left = less,
                    None => break,
                }
            }
        }));
    }
}
