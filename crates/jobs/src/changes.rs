//! The feed of changes that a person watching a job is told of.

use contracts::JobId;
use futures_util::{Stream, StreamExt as _};
use mongodb::bson::{Document, doc};
use mongodb::change_stream::event::ChangeStreamEvent;

use crate::store::within;
use crate::{JobStore, JobsError};

impl JobStore {
    /// The ids of jobs as they change, from now on. Ends with an error when the connection is lost: open it anew then.
    pub async fn changes(
        &self,
    ) -> Result<impl Stream<Item = Result<JobId, JobsError>> + Send + use<>, JobsError> {
        let pipeline = [
            doc! { "$match": { "operationType": { "$in": ["insert", "update", "replace", "delete"] } } },
            doc! { "$project": { "documentKey": 1, "operationType": 1, "ns": 1 } },
        ];
        let jobs = self.collection().clone_with_type::<Document>();
        let changes = within(jobs.watch().pipeline(pipeline)).await?;
        Ok(changes.filter_map(|event| async move {
            match event {
                Ok(event) => changed_job(&event).map(Ok),
                Err(error) => Some(Err(JobsError::Unavailable(Some(error)))),
            }
        }))
    }
}

fn changed_job(event: &ChangeStreamEvent<Document>) -> Option<JobId> {
    event.document_key.as_ref()?.get_str("_id").ok()?.parse().ok()
}
