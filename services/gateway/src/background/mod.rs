//! What the gateway does without being asked: one file per task.

mod eraser;
mod reconciler;
mod sweeper;

use std::time::Duration;

pub(crate) use eraser::{Eraser, erase_soon};
pub(crate) use reconciler::Reconciler;
pub(crate) use sweeper::Sweeper;

/// How long a readiness probe waits for RabbitMQ.
pub(crate) const GLANCE: Duration = Duration::from_millis(500);
