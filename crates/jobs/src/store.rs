use std::time::Duration;

use contracts::{
    ConversionOptions, Job, JobId, JobStatus, Mp3Fid, Owner, Phase, Progress, Source, UserId, VideoFid,
};
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use mongodb::bson::{self, DateTime, Document, doc};
use mongodb::options::{CollectionOptions, IndexOptions, ReturnDocument, WriteConcern};
use mongodb::{Collection, Database, IndexModel};

use crate::document::JobDocument;
use crate::{AccountMailStore, Search};

/// The jobs: collection `jobs` of one database.
#[derive(Debug, Clone)]
pub struct JobStore {
    database: Database,
    jobs: Collection<JobDocument>,
}

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// MongoDB is unreachable, or did not answer in time. A retry may succeed.
    #[error("MongoDB is away")]
    Unavailable(#[source] Option<mongodb::error::Error>),
    /// MongoDB refused the operation.
    #[error("MongoDB refused the operation")]
    Database(#[source] mongodb::error::Error),
    /// A document cannot be written as BSON.
    #[error("could not encode the job")]
    Encode(#[from] bson::error::Error),
}

/// A job to accept.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its identifier.
    pub id: JobId,
    /// Its owner.
    pub owner: Owner,
    /// The stored video.
    pub source: Source,
    /// The conversion's options.
    pub options: ConversionOptions,
}

/// A job, with the fields that only the services see.
#[derive(Debug, Clone)]
pub struct Record {
    /// The job as its owner sees it.
    pub job: Job,
    /// Its owner.
    pub owner: Owner,
    /// How often its owner retried it after a failure.
    pub retries: u32,
}

impl Record {
    /// Matches the job unless its owner has retried it since.
    pub(crate) fn same_run(&self) -> Document {
        doc! {
            "_id": self.job.id.to_string(),
            // Jobs from before retries existed have no such field.
            "$expr": { "$eq": [{ "$ifNull": ["$retries", 0] }, i64::from(self.retries)] },
        }
    }
}

/// Every operation here touches a few documents by index; one that takes this long is stuck.
const TIMEOUT: Duration = Duration::from_secs(10);

impl JobStore {
    /// The jobs in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        // Acknowledged writes must survive the loss of a node.
        let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
        let jobs = database.collection_with_options("jobs", options);
        Self { database, jobs }
    }

    /// Creates the indexes that the queries need. Existing ones stay.
    pub async fn ensure_indexes(&self) -> Result<(), JobsError> {
        let index = |keys: Document| IndexModel::builder().keys(keys).build();
        let sparse = IndexOptions::builder().sparse(true).build();
        let indexes = [
            index(doc! { "owner.id": 1, "_id": -1 }),
            // For `next_turn` and `usage`.
            index(doc! { "owner.id": 1, "status": 1 }),
            index(doc! { "source.fid": 1 }),
            IndexModel::builder().keys(doc! { "audio.fid": 1 }).options(sparse.clone()).build(),
            // For `take_forgotten`: nearly every outcome is announced, so this finds the few others.
            index(doc! { "outcome_announced_at": 1, "status": 1 }),
            IndexModel::builder().keys(doc! { "welcome_due": 1 }).options(sparse.clone()).build(),
            IndexModel::builder().keys(doc! { "usage_due": 1 }).options(sparse.clone()).build(),
            IndexModel::builder().keys(doc! { "expires_at": 1 }).options(sparse.clone()).build(),
            IndexModel::builder().keys(doc! { "video_delete_at": 1 }).options(sparse).build(),
        ];
        within(self.jobs.create_indexes(indexes)).await?;
        self.ensure_usage_index().await?;
        self.ensure_erasure_index().await?;
        self.account_mails().ensure_indexes().await
    }

    /// Asks whether the database answers, each time that it is called: for a readiness probe.
    pub fn probe(&self) -> impl Fn() -> BoxFuture<'static, Result<(), JobsError>> + Send + Sync + use<> {
        let database = self.database.clone();
        move || {
            let database = database.clone();
            Box::pin(async move { within(database.run_command(doc! { "ping": 1 })).await.map(drop) })
        }
    }

    /// Accepts a job: it is `queued`, and not announced yet.
    pub async fn insert(&self, new: NewJob) -> Result<Record, JobsError> {
        let now = DateTime::now();
        let welcome_due = new.owner.mails.submitted.then_some(true);
        let document = JobDocument {
            id: new.id,
            owner: new.owner,
            status: JobStatus::Queued,
            source: new.source,
            options: new.options,
            progress: Progress { phase: Phase::Waiting, ratio: 0.0 },
            audio: None,
            error: None,
            attempts: 0,
            retries: 0,
            lease: None,
            created_at: now,
            updated_at: now,
            expires_at: None,
            is_video_stored: true,
            video_delete_at: None,
            announced_at: None,
            outcome_announced_at: None,
            welcome_due,
            notices: crate::document::Notices::default(),
        };
        within(self.jobs.insert_one(&document)).await?;
        Ok(document.into())
    }

    /// Accepts a job. `None`: its id exists already.
    pub async fn insert_once(&self, new: NewJob) -> Result<Option<Record>, JobsError> {
        match self.insert(new).await {
            Ok(record) => Ok(Some(record)),
            Err(JobsError::Database(error)) if is_duplicate(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One job, of any owner.
    pub async fn get(&self, id: JobId) -> Result<Option<Record>, JobsError> {
        self.find_one(doc! { "_id": id.to_string() }).await
    }

    /// The converted job of an audio file.
    pub async fn find_by_mp3(&self, fid: Mp3Fid) -> Result<Option<Record>, JobsError> {
        self.find_one(doc! { "audio.fid": fid.to_string() }).await
    }

    /// One job, if this user owns it.
    pub async fn get_owned(&self, owner: UserId, id: JobId) -> Result<Option<Record>, JobsError> {
        self.find_one(doc! { "_id": id.to_string(), "owner.id": owner.to_string() }).await
    }

    /// A user's matching jobs, newest first: at most `limit`, older than `before`.
    pub async fn list(
        &self,
        owner: UserId,
        search: &Search,
        before: Option<JobId>,
        limit: u16,
    ) -> Result<Vec<Job>, JobsError> {
        let mut filter = search.filter();
        filter.insert("owner.id", owner.to_string());
        if let Some(before) = before {
            filter.insert("_id", doc! { "$lt": before.to_string() });
        }
        let records = self.find(filter, doc! { "_id": -1 }, limit.into()).await?;
        Ok(records.into_iter().map(|record| record.job).collect())
    }

    /// Whether a job still needs this video.
    pub async fn needs_video(&self, fid: VideoFid) -> Result<bool, JobsError> {
        let filter = doc! { "source.fid": fid.to_string(), "is_video_stored": true };
        Ok(self.find_one(filter).await?.is_some())
    }

    /// Whether a job still needs this audio file.
    pub async fn needs_mp3(&self, fid: Mp3Fid) -> Result<bool, JobsError> {
        Ok(self.find_by_mp3(fid).await?.is_some())
    }

    /// Whether a job needs this audio file, or the holder of this [`right`](crate::Lease::right) can still
    /// commit it.
    ///
    /// One query of one document: a commit turns the second case into the first.
    pub async fn may_commit(&self, fid: Mp3Fid, right: &str) -> Result<bool, JobsError> {
        let is_needed = doc! { "audio.fid": fid.to_string() };
        let filter = match right.split_once(' ') {
            Some((job, token)) => doc! { "$or": [is_needed, { "_id": job, "lease.token": token }] },
            None => is_needed,
        };
        Ok(self.find_one(filter).await?.is_some())
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Which mails about accounts were sent, in the same database.
    #[must_use]
    pub fn account_mails(&self) -> AccountMailStore {
        AccountMailStore::new(&self.database)
    }

    pub(crate) fn collection(&self) -> &Collection<JobDocument> {
        &self.jobs
    }

    pub(crate) async fn find_one(&self, filter: Document) -> Result<Option<Record>, JobsError> {
        Ok(within(self.jobs.find_one(filter)).await?.map(Into::into))
    }

    pub(crate) async fn find(
        &self,
        filter: Document,
        sort: Document,
        limit: i64,
    ) -> Result<Vec<Record>, JobsError> {
        let query =
            async { self.jobs.find(filter).sort(sort).limit(limit).await?.try_collect::<Vec<_>>().await };
        Ok(within(query).await?.into_iter().map(Into::into).collect())
    }

    /// One conditional update. Returns whether the filter still matched.
    pub(crate) async fn change(&self, filter: Document, set: Document) -> Result<bool, JobsError> {
        let update = within(self.jobs.update_one(filter, vec![set_now(set)])).await?;
        Ok(update.matched_count == 1)
    }

    /// One conditional update. Returns the changed job if the filter still matched.
    pub(crate) async fn change_and_get(
        &self,
        filter: Document,
        set: Document,
    ) -> Result<Option<Record>, JobsError> {
        let update = self.jobs.find_one_and_update(filter, vec![set_now(set)]);
        let changed = within(update.return_document(ReturnDocument::After)).await?;
        Ok(changed.map(Into::into))
    }
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    use mongodb::error::{ErrorKind, WriteFailure};

    const DUPLICATE_KEY: i32 = 11000;
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(refused)) if refused.code == DUPLICATE_KEY)
}

fn set_now(mut set: Document) -> Document {
    set.insert("updated_at", "$$NOW");
    doc! { "$set": set }
}

/// The server's time plus this, as an expression.
pub(crate) fn from_now(delay: Duration) -> Document {
    doc! { "$add": ["$$NOW", milliseconds(delay)] }
}

/// The server's time minus this, as an expression.
pub(crate) fn ago(age: Duration) -> Document {
    doc! { "$subtract": ["$$NOW", milliseconds(age)] }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Waits for the database, up to [`TIMEOUT`].
pub(crate) async fn within<T>(
    operation: impl IntoFuture<Output = Result<T, mongodb::error::Error>>,
) -> Result<T, JobsError> {
    use mongodb::error::ErrorKind;

    const OUT_OF_DISK_SPACE: i32 = 14031;
    match tokio::time::timeout(TIMEOUT, operation.into_future()).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(match *error.kind {
            ErrorKind::Io(_)
            | ErrorKind::ServerSelection { .. }
            | ErrorKind::ConnectionPoolCleared { .. } => JobsError::Unavailable(Some(error)),
            // MongoDB refuses writes when its disk is full.
            ErrorKind::Command(ref refused) if refused.code == OUT_OF_DISK_SPACE => {
                JobsError::Unavailable(Some(error))
            }
            // A primary that steps down or shuts down sets this label.
            _ if error.contains_label(mongodb::error::RETRYABLE_WRITE_ERROR) => {
                JobsError::Unavailable(Some(error))
            }
            _ => JobsError::Database(error),
        }),
        Err(_) => Err(JobsError::Unavailable(None)),
    }
}
