use std::sync::Arc;

use broker::Broker;
use contracts::UserId;
use jobs::{JobStore, Turns};
use media_store::MediaStore;
use service_kit::{Chain, Shutdown};

use super::policy::UploadConfig;
use super::quotas::Quotas;
use super::storage::Storage;
use crate::edge::Edge;
use crate::identity::Revocations;

/// Receives uploads, and creates their jobs.
pub(crate) struct Intake {
    pub(crate) videos: MediaStore,
    pub(crate) quotas: Quotas,
    pub(crate) storage: Arc<Storage>,
    pub(crate) turns: Turns,
    pub(crate) policy: UploadConfig,
    pub(crate) jobs: JobStore,
    pub(crate) broker: Broker,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) edge: Arc<Edge>,
    pub(crate) shutdown: Shutdown,
}

impl Intake {
    /// Announces a user's next job. A failure is only logged: the jobs are stored, and the reconciler
    /// announces them later.
    pub(crate) async fn give_turn_or_leave(&self, user: UserId) {
        if let Err(error) = self.turns.give(user).await {
            tracing::warn!(user.id = %user, error = %Chain(&error), "could not announce a job yet");
        }
    }
}
