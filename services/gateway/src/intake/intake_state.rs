use std::sync::Arc;

use broker::Broker;
use jobs::JobStore;
use media_store::MediaStore;
use service_kit::Shutdown;

use super::quotas::Quotas;
use super::receive::UploadConfig;
use super::storage::Storage;
use super::turns::Turns;
use crate::edge::Edge;
use crate::identity::Revocations;

/// Takes uploads in, and makes jobs of them.
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
