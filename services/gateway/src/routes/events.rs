use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use contracts::{Job, JobId, ProblemCode, UserId};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use tokio::time::sleep;

use super::jobs::job_id;
use crate::Gateway;
use crate::delivery::feed::{JobChanges, News, OwnChanges};
use crate::edge::places::Place;
use crate::error::Error;
use crate::identity::caller::{Caller, Credential};
use crate::openapi::ProblemAnswer;

/// Proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follow one of your jobs, as Server-Sent Events.
///
/// Each event is named `job` and its data is the whole job: at once, and whenever it changes. The stream ends when the job has ended,
/// or with the credential that it was asked for with, and after a quarter of an hour at the latest; a client that reconnects gets
/// the job again.
#[utoipa::path(
    get, path = "/jobs/{id}/events", tag = "jobs", params(("id" = JobId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "The job, each time that it changes", body = Job, content_type = "text/event-stream"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`: too many streams of events are open", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn events(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    Extension(credential): Extension<Credential>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let id = job_id(&id)?;
    let place = gateway.limits.watching.take(owner.id).await?;
    // First: a change between reading and watching would be missed.
    let changes = gateway.feed.watch(id);
    let record = gateway.jobs.get_owned(owner.id, id).await?.ok_or(ProblemCode::NotFound)?;
    let end = end(&gateway, credential, place);
    let watcher = Watcher { gateway, owner: owner.id, id, changes, shown: None, next: Some(record.job) };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let job = watcher.next_version().await?;
        let event = Event::default().event("job").json_data(&job).ok()?;
        watcher.shown = Some(job);
        Some((Ok(event), watcher))
    });
    Ok(Sse::new(events.take_until(end)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Follow all of your jobs, as Server-Sent Events.
///
/// `ready` comes at once, and again whenever changes may have been missed: read the list then. `job` has a whole job as its
/// data, each time that it changes, and `removed` the `id` of one that was deleted. Nothing is replayed. The stream ends with the
/// credential that it was asked for with, and after a quarter of an hour at the latest; reconnect then.
#[utoipa::path(
    get, path = "/jobs/events", tag = "jobs", security(("token" = [])),
    responses(
        (status = 200, description = "Your jobs, as they change", body = Job, content_type = "text/event-stream"),
        (status = 429, description = "`too_many_requests`: too many streams of events are open", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn all_events(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    Extension(credential): Extension<Credential>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let place = gateway.limits.watching.take(owner.id).await?;
    let changes = gateway.feed.watch_all(owner.id);
    let end = end(&gateway, credential, place);
    let overseer = Overseer { gateway, owner: owner.id, changes, shown: None };
    let first = stream::once(async { Ok(ready()) });
    let events = stream::unfold(overseer, |mut overseer| async move {
        let event = overseer.next_event().await?;
        Some((Ok(event), overseer))
    });
    Ok(Sse::new(first.chain(events).take_until(end)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// As long as an access token holds.
const LONGEST: Duration = Duration::from_mins(15);

/// When a stream ends, whatever there is to tell. A client that may goes on with another one.
fn end(
    gateway: &Arc<Gateway>,
    credential: Credential,
    place: Place,
) -> impl Future<Output = ()> + Send + use<> {
    let gateway = Arc::clone(gateway);
    async move {
        tokio::select! {
            () = credential.ended(&gateway) => {}
            () = sleep(LONGEST) => {}
            // A stream must not hold up the end of the process.
            () = gateway.shutdown.drain().cancelled() => {}
        }
        drop(place);
    }
}

fn ready() -> Event {
    Event::default().event("ready").data("{}")
}

struct Overseer {
    gateway: Arc<Gateway>,
    owner: UserId,
    changes: OwnChanges,
    /// The last, which may come again without being another.
    shown: Option<Job>,
}

impl Overseer {
    async fn next_event(&mut self) -> Option<Event> {
        loop {
            match self.changes.next().await? {
                News::Missed => return Some(ready()),
                News::Removed(id) => {
                    return Event::default().event("removed").json_data(json!({ "id": id })).ok();
                }
                News::Changed(id) => match self.gateway.jobs.get_owned(self.owner, id).await {
                    Ok(Some(record))
                        if !self.shown.as_ref().is_some_and(|shown| is_same(shown, &record.job)) =>
                    {
                        let event = Event::default().event("job").json_data(&record.job).ok()?;
                        self.shown = Some(record.job);
                        return Some(event);
                    }
                    // The same, or deleted since, of which there will be news.
                    Ok(_) => {}
                    // The client comes back and reads the list.
                    Err(_) => return None,
                },
            }
        }
    }
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
            self.changes.next().await?;
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
