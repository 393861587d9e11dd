use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use service_kit::IdleBudget;
use tokio::time::Instant;

use super::policy::UploadConfig;

/// What can go wrong with a body before it is parsed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the body arrives too slowly")]
    TooSlow,
    #[error("the connection broke")]
    Broken(#[source] axum::Error),
}

/// A request body with limits: of its size, of how slowly it may arrive, and of its total time.
pub(crate) struct GuardedBody {
    body: BodyDataStream,
    left: u64,
    budget: IdleBudget,
}

impl GuardedBody {
    /// A body of at most this many bytes.
    pub(crate) fn new(body: Body, policy: &UploadConfig, bytes: u64) -> Self {
        let budget = IdleBudget::new(policy.pace()).until(Instant::now() + policy.timeout());
        Self { body: body.into_data_stream(), left: bytes, budget }
    }
}

impl Stream for GuardedBody {
    type Item = Result<Bytes, BodyFault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(piece) = this.body.poll_next_unpin(context) {
            let Some(piece) = piece else { return Poll::Ready(None) };
            return Poll::Ready(Some(piece.map_err(BodyFault::Broken).and_then(|piece| {
                this.left = this.left.checked_sub(piece.len() as u64).ok_or(BodyFault::TooLarge)?;
                this.budget.moved(piece.len());
                Ok(piece)
            })));
        }
        ready!(this.budget.poll_exhausted(context));
        Poll::Ready(Some(Err(BodyFault::TooSlow)))
    }
}
