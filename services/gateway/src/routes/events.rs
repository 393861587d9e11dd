use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use contracts::{Job, JobId, ProblemCode, UserId};
use futures_util::{Stream, stream};

use super::jobs::job_id;
use crate::Gateway;
use crate::caller::Caller;
use crate::error::Error;
use crate::feed::JobChanges;
use crate::openapi::ProblemAnswer;

/// Proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follow one of your jobs, as Server-Sent Events.
///
/// Each event is named `job` and its data is the whole job: at once, and whenever it changes. The stream ends when the
/// job has ended; a client that reconnects gets the job again.
#[utoipa::path(
    get, path = "/jobs/{id}/events", tag = "jobs", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "The job, each time that it changes", body = Job, content_type = "text/event-stream"),
        (status = 401, description = "`no_token`, `invalid_token`, `expired_token`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn events(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let id = job_id(&id)?;
    // First: a change between reading and watching would be missed.
    let changes = gateway.feed.watch(id);
    let record = gateway.jobs.get_owned(owner.id, id).await?.ok_or(ProblemCode::NotFound)?;
    let watcher = Watcher { gateway, owner: owner.id, id, changes, shown: None, next: Some(record.job) };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let job = watcher.next_version().await?;
        let event = Event::default().event("job").json_data(&job).ok()?;
        watcher.shown = Some(job);
        Some((Ok(event), watcher))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Watcher {
    gateway: Arc<Gateway>,
    owner: UserId,
    id: JobId,
    changes: JobChanges,
    shown: Option<Job>,
    next: Option<Job>,
}

impl Watcher {
    /// The job as soon as it differs from what was shown; `None` when there is nothing more to show.
    async fn next_version(&mut self) -> Option<Job> {
        if let Some(job) = self.next.take() {
            return Some(job);
        }
        if self.shown.as_ref().is_some_and(|job| job.status.is_finished()) {
            return None;
        }
        loop {
            // A stream must not hold up the end of the process; the client comes back to another one.
            self.gateway.shutdown.drain().run_until_cancelled(self.changes.next()).await??;
            let record = self.gateway.jobs.get_owned(self.owner, self.id).await.ok()??;
            let is_news = self.shown.as_ref().is_none_or(|shown| !is_same(shown, &record.job));
            if is_news {
                return Some(record.job);
            }
        }
    }
}

/// Renewed leases change nothing but the time.
fn is_same(shown: &Job, job: &Job) -> bool {
    *shown == Job { updated_at: shown.updated_at, ..job.clone() }
}
