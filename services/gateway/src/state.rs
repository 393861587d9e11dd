use std::sync::Arc;

use axum::extract::FromRef;
use broker::Broker;
use contracts::Job;
use jobs::JobStore;
use service_kit::Shutdown;

use crate::delivery::{Delivery, JobView};
use crate::edge::Edge;
use crate::identity::Identity;
use crate::intake::Intake;

/// What the routes and the background tasks work with. A clone is the same gateway.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) edge: Arc<Edge>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) jobs: JobStore,
    pub(crate) broker: Broker,
    pub(crate) shutdown: Shutdown,
}

// Extractors ask for the part that they need, so that no part depends on the whole gateway.
impl FromRef<Gateway> for Arc<Edge> {
    fn from_ref(gateway: &Gateway) -> Self {
        Self::clone(&gateway.edge)
    }
}

impl FromRef<Gateway> for Arc<Identity> {
    fn from_ref(gateway: &Gateway) -> Self {
        Self::clone(&gateway.identity)
    }
}

impl Gateway {
    /// A job as its owner sees it.
    pub(crate) fn view(&self, job: Job) -> JobView {
        JobView::new(job, &self.identity.site)
    }
}
