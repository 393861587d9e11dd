//! Finds the holder of an API key. Auth is asked, and its answers are kept for seconds. Made-up keys are
//! limited, so that they do not flood auth with requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use contracts::{ApiKeyHash, ApiKeyId, KeyCheck, KeyHolder, ProblemCode};
use service_kit::subscriber;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::auth_client::AuthClient;
use crate::edge::Limit;
use crate::error::Error;

/// A deleted key works for this long at most.
const FRESH: Duration = Duration::from_secs(5);

/// While auth is away, a key that worked goes on working for this long.
const HELD: Duration = Duration::from_mins(5);

/// The most answers that are kept. Each takes a hundred bytes.
const MOST: usize = 10_000;

/// Requests to auth about keys that did not work lately, per client address and minute. Enough for scripts:
/// each has one key.
const QUESTIONS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Requests to auth at the same time.
const QUESTIONS: usize = 32;

struct Answer {
    at: Instant,
    holder: Option<KeyHolder>,
}

/// Auth's recent answers about keys.
pub(crate) struct ApiKeys {
    answers: Mutex<HashMap<ApiKeyHash, Answer>>,
    questions: Semaphore,
    strangers: Limit<IpAddr>,
}

impl ApiKeys {
    pub(crate) fn new() -> Self {
        Self {
            answers: Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
            strangers: Limit::new(QUESTIONS_PER_MINUTE),
        }
    }

    /// The holder of this key.
    pub(crate) async fn holder(
        &self,
        auth: &AuthClient,
        key: &str,
        client: IpAddr,
    ) -> Result<KeyHolder, Error> {
        let hash = ApiKeyHash::of(key).ok_or(ProblemCode::InvalidToken)?;
        let (known, age) = self.known(&hash);
        if age.is_some_and(|age| age < FRESH) {
            return works(known);
        }
        if known.is_none() {
            self.strangers.count(&subscriber(client))?;
        }
        let asked = {
            let _place = self.questions.acquire().await.map_err(|_| ProblemCode::Unavailable)?;
            auth.check_key(&KeyCheck { hash }).await
        };
        match asked {
            Ok(holder) => {
                self.keep(hash, Some(holder.clone()));
                works(Some(holder))
            }
            Err(Error::Refused(problem)) if problem.code() == ProblemCode::InvalidToken => {
                self.keep(hash, None);
                Err(problem.into())
            }
            Err(error) => match known.filter(|_| age.is_some_and(|age| age < HELD)) {
                Some(holder) => {
                    tracing::warn!(error = %service_kit::Chain(&error), "could not ask about an API key; it worked before");
                    works(Some(holder))
                }
                None => Err(error),
            },
        }
    }

    /// Forgets a key that was deleted here.
    pub(crate) fn forget(&self, key: ApiKeyId) {
        let is_other = |answer: &Answer| answer.holder.as_ref().is_none_or(|holder| holder.key != key);
        self.lock().retain(|_, answer| is_other(answer));
    }

    /// Forgets answers that are no longer useful.
    pub(crate) fn forget_idle(&self) {
        self.strangers.forget_idle();
        self.lock().retain(|_, answer| answer.is_of_use());
    }

    fn known(&self, hash: &ApiKeyHash) -> (Option<KeyHolder>, Option<Duration>) {
        let answers = self.lock();
        answers.get(hash).map_or((None, None), |answer| (answer.holder.clone(), Some(answer.at.elapsed())))
    }

    fn keep(&self, hash: ApiKeyHash, holder: Option<KeyHolder>) {
        let mut answers = self.lock();
        if answers.len() >= MOST {
            answers.retain(|_, answer| answer.is_of_use());
        }
        if answers.len() >= MOST {
            // All answers are recent. Auth is asked again about each key.
            answers.clear();
        }
        answers.insert(hash, Answer { at: Instant::now(), holder });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ApiKeyHash, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn is_of_use(&self) -> bool {
        self.at.elapsed() < if self.holder.is_some() { HELD } else { FRESH }
    }
}

fn works(holder: Option<KeyHolder>) -> Result<KeyHolder, Error> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let holder = holder.filter(|holder| holder.expires_at.is_none_or(|at| at > now));
    holder.ok_or_else(|| ProblemCode::InvalidToken.into())
}
