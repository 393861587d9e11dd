use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use contracts::{JobId, ProblemCode};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use service_kit::Id;
use tokio::time::sleep;

use crate::delivery::{AllJobsWatcher, JobNews, JobView, JobWatcher};
use crate::edge::Place;
use crate::error::Error;
use crate::identity::{Caller, Credential, Read};
use crate::state::Gateway;

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
        (status = 200, description = "The job, each time that it changes", body = JobView, content_type = "text/event-stream"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn watch_job(
    State(gateway): State<Gateway>,
    Caller { owner, credential, .. }: Caller<Read>,
    Id(id): Id<JobId>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let place = gateway.edge.limits.watching.take(owner.id).await?;
    let watcher = JobWatcher::start(&gateway.jobs, &gateway.delivery.feed, owner.id, id).await?;
    let watcher = watcher.ok_or(ProblemCode::NotFound)?;
    let end = end(gateway.clone(), credential, place);
    let events = stream::unfold((watcher, gateway), |(mut watcher, gateway)| async move {
        let job = gateway.view(watcher.next_version().await?);
        let event = Event::default().event("job").json_data(&job).ok()?;
        Some((Ok(event), (watcher, gateway)))
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
        (status = 200, description = "Your jobs, as they change", body = JobView, content_type = "text/event-stream"),
    ),
)]
pub(crate) async fn watch_jobs(
    State(gateway): State<Gateway>,
    Caller { owner, credential, .. }: Caller<Read>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let place = gateway.edge.limits.watching.take(owner.id).await?;
    let watcher = AllJobsWatcher::start(&gateway.jobs, &gateway.delivery.feed, owner.id);
    let end = end(gateway.clone(), credential, place);
    let first = stream::once(async { Ok(ready()) });
    let events = stream::unfold((watcher, gateway), |(mut watcher, gateway)| async move {
        let event = match watcher.next_news().await? {
            JobNews::Missed => ready(),
            JobNews::Removed(id) => Event::default().event("removed").json_data(json!({ "id": id })).ok()?,
            JobNews::Changed(job) => Event::default().event("job").json_data(gateway.view(*job)).ok()?,
        };
        Some((Ok(event), (watcher, gateway)))
    });
    Ok(Sse::new(first.chain(events).take_until(end)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The lifetime of an access token.
const LONGEST: Duration = Duration::from_mins(15);

/// Waits for the end of a stream, even in the middle of an event. A client with a valid credential opens
/// another stream.
async fn end(gateway: Gateway, credential: Credential, _place: Place) {
    tokio::select! {
        () = gateway.identity.ended(&credential) => {}
        () = sleep(LONGEST) => {}
        // A stream must not delay the shutdown.
        () = gateway.shutdown.drain().cancelled() => {}
    }
}

fn ready() -> Event {
    Event::default().event("ready").data("{}")
}
