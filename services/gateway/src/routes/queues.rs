//! Queues, for administrators.

use axum::Json;
use axum::extract::{Path, State};
use contracts::{Audit, ProblemCode, Queue};
use serde::Serialize;
use service_kit::audit;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::error::Error;
use crate::identity::Administrator;
use crate::state::Gateway;

/// How many messages a queue has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueState {
    /// `video`, `mp3` or `account`.
    #[schema(value_type = String, pattern = "^(video|mp3|account)$")]
    queue: &'static str,
    /// Messages that wait, without those being handled and those waiting for a retry.
    ready: u32,
    /// Messages that could not be handled.
    dead: u32,
}

/// A message that could not be handled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadMessage {
    /// Its name, if it has one.
    message_id: Option<String>,
    /// How often it was tried.
    attempts: u32,
    /// When it was published first.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    first_published_at: OffsetDateTime,
    /// Why it was given up; none where it killed one consumer after the other.
    reason: Option<String>,
    /// Its length in bytes.
    bytes: usize,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// How many were put back into the queue.
    replayed: u16,
}

const MOST_SHOWN: u16 = 100;
const MOST_REPLAYED: u16 = 1000;

/// List the queues with their lengths. For administrators.
#[utoipa::path(
    get, path = "/admin/queues", tag = "administration", security(("token" = [])),
    responses(
        (status = 200, description = "The queues", body = Vec<QueueState>),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::AdminOnly]))),
)]
pub(crate) async fn list_queues(
    State(gateway): State<Gateway>,
    _: Administrator,
) -> Result<Json<Vec<QueueState>>, Error> {
    let mut queues = Vec::new();
    for queue in Queue::ALL {
        let ready = gateway.broker.depth(queue).await.map_err(|_| Error::BrokerAway)?;
        let dead = gateway.broker.dead_depth(queue).await.map_err(|_| Error::BrokerAway)?;
        queues.push(QueueState { queue: queue.name(), ready, dead });
    }
    Ok(Json(queues))
}

/// List the oldest messages that could not be handled, up to a hundred. For administrators.
#[utoipa::path(
    get, path = "/admin/queues/{queue}/dead", tag = "administration", security(("token" = [])),
    params(("queue" = String, Path, description = "`video`, `mp3` or `account`")),
    responses(
        (status = 200, description = "The messages", body = Vec<DeadMessage>),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::AdminOnly, ProblemCode::NotFound]))),
)]
pub(crate) async fn list_dead_messages(
    State(gateway): State<Gateway>,
    _: Administrator,
    Path(name): Path<String>,
) -> Result<Json<Vec<DeadMessage>>, Error> {
    let letters = gateway.broker.dead_letters(queue(&name)?, MOST_SHOWN).await?;
    let messages = letters.into_iter().map(|letter| DeadMessage {
        message_id: letter.message_id,
        attempts: letter.attempts,
        first_published_at: letter.first_published_at,
        reason: letter.reason,
        bytes: letter.bytes,
    });
    Ok(Json(messages.collect()))
}

/// Put the oldest thousand messages that could not be handled back into their queue. For administrators.
#[utoipa::path(
    post, path = "/admin/queues/{queue}/dead/replay", tag = "administration", security(("token" = [])),
    params(("queue" = String, Path, description = "`video`, `mp3` or `account`")),
    responses(
        (status = 200, description = "They are back", body = Replayed),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::AdminOnly, ProblemCode::NotFound]))),
)]
pub(crate) async fn replay_dead_messages(
    State(gateway): State<Gateway>,
    Administrator(person): Administrator,
    Path(name): Path<String>,
) -> Result<Json<Replayed>, Error> {
    let queue = queue(&name)?;
    let replayed = gateway.broker.replay(queue, MOST_REPLAYED).await?;
    audit::record(Audit::DeadLettersReplayed { user: person.claims.sub, queue });
    Ok(Json(Replayed { replayed }))
}

fn queue(name: &str) -> Result<Queue, ProblemCode> {
    Queue::ALL.into_iter().find(|queue| queue.name() == name).ok_or(ProblemCode::NotFound)
}
