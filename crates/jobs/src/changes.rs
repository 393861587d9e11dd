//! The feed of job changes for users who watch their jobs.

use contracts::{JobId, UserId};
use futures_util::{Stream, StreamExt as _};
use mongodb::bson::{Document, doc};
use mongodb::change_stream::event::ChangeStreamEvent;
use mongodb::options::FullDocumentType;

use crate::ownership::REMOVED_FOR;
use crate::store::within;
use crate::{JobStore, JobsError};

/// A changed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The job.
    pub job: JobId,
    /// Its owner; `None` if the job is gone already.
    pub owner: Option<UserId>,
    /// Whether its owner has deleted it.
    pub is_removed: bool,
}

impl JobStore {
    /// The job changes from now on. Ends with an error when the connection is lost; reopen it then.
    pub async fn changes(
        &self,
    ) -> Result<impl Stream<Item = Result<Change, JobsError>> + Send + use<>, JobsError> {
        let removed_for = format!("updateDescription.updatedFields.{REMOVED_FOR}");
        let pipeline = [
            doc! { "$match": { "operationType": { "$in": ["insert", "update", "replace", "delete"] } } },
            doc! { "$project": {
                "documentKey": 1, "operationType": 1, "ns": 1, "fullDocument.owner.id": 1, removed_for: 1,
                // The driver cannot parse an update without it.
                "updateDescription.removedFields": 1,
            } },
        ];
        let jobs = self.collection().clone_with_type::<Document>();
        let watch = jobs.watch().pipeline(pipeline).full_document(FullDocumentType::UpdateLookup);
        let changes = within(watch).await?;
        Ok(changes.filter_map(|event| async move {
            match event {
                Ok(event) => change(&event).map(Ok),
                Err(error) => Some(Err(JobsError::Unavailable(Some(error)))),
            }
        }))
    }
}

fn change(event: &ChangeStreamEvent<Document>) -> Option<Change> {
    let job = event.document_key.as_ref()?.get_str("_id").ok()?.parse().ok()?;
    // The document may be gone when the server looks it up; the event itself still names the change.
    let updated = event.update_description.as_ref().map(|update| &update.updated_fields);
    let removed_for = updated.and_then(|fields| fields.get_str(REMOVED_FOR).ok());
    let owner =
        event.full_document.as_ref().and_then(|job| job.get_document("owner").ok()?.get_str("id").ok());
    let owner = removed_for.or(owner).and_then(|owner| owner.parse().ok());
    Some(Change { job, owner, is_removed: removed_for.is_some() })
}
