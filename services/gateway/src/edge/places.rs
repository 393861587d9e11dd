//! Limits of work at the same time: each upload, download and answer that waits for its client holds memory.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use contracts::{ProblemCode, UserId};
use hyper::body::{Frame, SizeHint};
use service_kit::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for one kind of work: a number for each user, and a number in all.
pub(crate) struct Places {
    of_user: usize,
    of_all: Arc<Semaphore>,
    /// How long a request waits for a place.
    timeout: Duration,
    users: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

/// A place, which is taken until this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    _permits: Arc<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

const COME_AGAIN_SECONDS: u16 = 10;

impl Places {
    pub(crate) fn new(of_user: usize, of_all: usize, timeout: Duration) -> Self {
        let of_all = Arc::new(Semaphore::new(of_all.min(Semaphore::MAX_PERMITS)));
        Self { of_user, of_all, timeout, users: Mutex::default() }
    }

    /// Takes a place. Waits for one up to the timeout.
    pub(crate) async fn take(&self, user: UserId) -> Result<Place, Problem> {
        let of_user =
            self.lock().entry(user).or_insert_with(|| Arc::new(Semaphore::new(self.of_user))).clone();
        let own = tokio::time::timeout(self.timeout, of_user.acquire_owned()).await;
        let Ok(Ok(own)) = own else {
            let seconds = HeaderValue::from(COME_AGAIN_SECONDS);
            return Err(Problem::new(ProblemCode::TooManyRequests).with_header(RETRY_AFTER, seconds));
        };
        let any = tokio::time::timeout(self.timeout, Arc::clone(&self.of_all).acquire_owned()).await;
        let Ok(Ok(any)) = any else { return Err(ProblemCode::Unavailable.into()) };
        Ok(Place { _permits: Arc::new((own, any)) })
    }

    /// Forgets the users who hold no place.
    pub(crate) fn forget_idle(&self) {
        self.lock().retain(|_, places| Arc::strong_count(places) > 1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Arc<Semaphore>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Wraps a body, which keeps this place until it has been sent or dropped.
    pub(crate) fn of(self, body: Body) -> Body {
        Body::new(PlacedBody { body, _place: self })
    }
}

struct PlacedBody {
    body: Body,
    _place: Place,
}

impl HttpBody for PlacedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The identification of the caller leaves the answer's place here, for the layer that wraps the answer.
#[derive(Clone, Default)]
pub(crate) struct PlaceOfAnswer(Arc<OnceLock<Place>>);

impl PlaceOfAnswer {
    pub(crate) fn leave(&self, place: Place) {
        // Only the first counts: a caller is identified once.
        let _ = self.0.set(place);
    }

    /// The place, if a caller took one.
    pub(crate) fn taken(&self) -> Option<Place> {
        self.0.get().cloned()
    }
}

#[cfg(test)]
mod tests {
    use contracts::UserId;

    use super::*;

    #[tokio::test]
    async fn a_user_has_a_share_of_the_places_and_others_the_rest() {
        let places = Places::new(2, 3, Duration::from_millis(1));
        let (ada, eve) = (UserId::generate(), UserId::generate());
        let code = async |user| places.take(user).await.err().map(|problem| problem.code());
        let first = places.take(ada).await.unwrap();
        let _second = places.take(ada).await.unwrap();
        assert_eq!(code(ada).await, Some(ProblemCode::TooManyRequests));
        let _third = places.take(eve).await.unwrap();
        assert_eq!(code(eve).await, Some(ProblemCode::Unavailable));
        drop(first);
        assert_eq!(code(ada).await, None);
        places.forget_idle();
        assert_eq!(places.lock().len(), 2);
    }
}
