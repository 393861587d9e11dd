use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contracts::FileId;
use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{CollectionOptions, IndexOptions, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Collection, Database, IndexModel};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::deadline::Deadline;
use crate::drafts::DraftDocument;
use crate::file::{PICTURE, RIGHT, SIDECAR, StoredFile, file_id, object_id, without_attachments};
use crate::marker::{Markers, older_than};
use crate::{StoreError, Upload, drafts};

/// Longer than any pause of a healthy server, and short enough that the client of a waiting request is still
/// there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Inserts in flight for all uploads together, and as many reads for all downloads. The driver holds up to
/// four copies of a batch in flight. The limit keeps that memory from growing with the number of transfers.
/// More in flight is no faster: a MongoDB server copies and compresses a batch on one core.
const IN_FLIGHT: usize = 6;

/// Windows of up to a mebibyte that all downloads together may hold beyond their current chunks.
const WINDOWS_OF_ALL: usize = 32;

/// The files of one GridFS database. Clones share their limits.
#[derive(Clone)]
pub struct MediaStore {
    pub(crate) database: Database,
    pub(crate) files: Collection<RawDocumentBuf>,
    pub(crate) chunks: Collection<RawDocumentBuf>,
    pub(crate) markers: Markers,
    pub(crate) drafts: Collection<DraftDocument>,
    pub(crate) tasks: TaskTracker,
    pub(crate) deadline: Deadline,
    pub(crate) insert_permits: Arc<Semaphore>,
    pub(crate) read_permits: Arc<Semaphore>,
    pub(crate) ahead_permits: Arc<Semaphore>,
}

impl MediaStore {
    /// The files in this database. Writes and clean-up that outlive their caller run on `tasks`: close and
    /// await it before the process ends.
    #[must_use]
    pub fn new(database: Database, tasks: TaskTracker) -> Self {
        let majority = || {
            CollectionOptions::builder()
                .write_concern(WriteConcern::majority())
                // Overrides the URL: a secondary may not have yet what was stored a moment ago.
                .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
                .build()
        };
        Self {
            files: database.collection_with_options("fs.files", majority()),
            chunks: database.collection_with_options("fs.chunks", majority()),
            markers: Markers::new(&database, Deadline(PATIENCE)),
            drafts: drafts::collection(&database),
            database,
            tasks,
            deadline: Deadline(PATIENCE),
            insert_permits: Arc::new(Semaphore::new(IN_FLIGHT)),
            read_permits: Arc::new(Semaphore::new(IN_FLIGHT)),
            ahead_permits: Arc::new(Semaphore::new(WINDOWS_OF_ALL)),
        }
    }

    /// The same store with this deadline for each operation instead of 30 s.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Deadline(deadline);
        self.markers.deadline = Deadline(deadline);
        self
    }

    /// Creates the indexes. A service does this first at its start: the drivers' own would not be unique, and
    /// then one chunk could be stored twice.
    pub async fn ensure_indexes(&self) -> Result<(), StoreError> {
        let unique = IndexOptions::builder().unique(true).build();
        let by_place = IndexModel::builder().keys(doc! { "files_id": 1, "n": 1 }).options(unique).build();
        let by_name = IndexModel::builder().keys(doc! { "filename": 1, "uploadDate": 1 }).build();
        self.deadline.bound("index the chunks", self.chunks.create_index(by_place)).await?;
        self.deadline.bound("index the files", self.files.create_index(by_name)).await?;
        self.index_drafts().await?;
        self.markers.ensure_index().await
    }

    /// Begins an upload with this name and media type. [`Upload::finish`] makes it a file.
    pub async fn begin(&self, name: &str, content_type: &str) -> Result<Upload, StoreError> {
        let fid = file_id(ObjectId::new());
        let upload = Upload::new(self.clone(), fid, name, content_type);
        self.markers.open(fid).await?;
        Ok(upload)
    }

    /// Begins an upload of this owner. `bytes` is the file's length, as far as it is known. Until the upload
    /// is a file, these bytes count as [`pending_bytes`](Self::pending_bytes).
    pub async fn begin_for(
        &self,
        owner: &str,
        bytes: u64,
        name: &str,
        content_type: &str,
    ) -> Result<Upload, StoreError> {
        let fid = file_id(ObjectId::new());
        let upload = Upload::new(self.clone(), fid, name, content_type);
        self.markers.open_for(fid, owner, bytes).await?;
        Ok(upload)
    }

    /// The total length of the files that the owner is storing at this moment.
    pub async fn pending_bytes(&self, owner: &str) -> Result<u64, StoreError> {
        self.markers.bytes_of(owner).await
    }

    /// A file's description; `None` if the file does not exist or is not complete yet.
    pub async fn open(&self, fid: FileId) -> Result<Option<StoredFile>, StoreError> {
        let query = self.files.find_one(doc! { "_id": object_id(fid) }).projection(without_attachments());
        let document = self.deadline.bound("look up the file", query).await?;
        document.map(|document| StoredFile::parse(fid, &document)).transpose()
    }

    /// The bytes that [`Upload::attach`] gave a file; `None` if there is no such file, or it has none.
    pub async fn sidecar(&self, fid: FileId) -> Result<Option<Bytes>, StoreError> {
        self.attachment(fid, SIDECAR).await
    }

    /// The picture that [`Upload::attach_picture`] gave a file, likewise.
    pub async fn picture(&self, fid: FileId) -> Result<Option<Bytes>, StoreError> {
        self.attachment(fid, PICTURE).await
    }

    /// The right that [`Upload::reserve`] recorded for a file, if any.
    pub async fn right(&self, fid: FileId) -> Result<Option<String>, StoreError> {
        let query = self
            .files
            .find_one(doc! { "_id": object_id(fid) })
            .projection(doc! { format!("metadata.{RIGHT}"): 1 });
        let document =
            self.deadline.bound("look up what a file was made for", query).await?.unwrap_or_default();
        let metadata = document.get_document("metadata").ok();
        Ok(metadata.and_then(|metadata| metadata.get_str(RIGHT).ok()).map(str::to_owned))
    }

    async fn attachment(&self, fid: FileId, field: &str) -> Result<Option<Bytes>, StoreError> {
        let projection = doc! { format!("metadata.{field}"): 1 };
        let query = self.files.find_one(doc! { "_id": object_id(fid) }).projection(projection);
        let document = self.deadline.bound("look up what is attached to the file", query).await?;
        let document = document.unwrap_or_default();
        let metadata = document.get_document("metadata").ok();
        let attached = metadata.and_then(|metadata| metadata.get_binary(field).ok());
        Ok(attached.map(|attached| Bytes::copy_from_slice(attached.bytes)))
    }

    /// A page of the files that are at least this old, ordered by identifier, starting after `after`.
    ///
    /// For the sweep of files that nothing refers to. The age must leave the uploader time to store its
    /// reference.
    pub async fn files_older_than(
        &self,
        age: Duration,
        after: Option<FileId>,
        limit: u16,
    ) -> Result<Vec<FileId>, StoreError> {
        // The first page starts at the lowest identifier. That leaves out files that other programs stored
        // under identifiers of other types.
        let bound = after.map_or_else(
            || doc! { "$gte": ObjectId::from_bytes([0; 12]) },
            |fid| doc! { "$gt": object_id(fid) },
        );
        let files = self.files.clone_with_type::<Document>();
        let query = files
            .find(doc! { "_id": bound, "$expr": older_than("$uploadDate", age) })
            .projection(doc! { "_id": 1 })
            .sort(doc! { "_id": 1 })
            .limit(limit.max(1).into());
        let documents = async { query.await?.try_collect::<Vec<_>>().await };
        let documents = self.deadline.bound("list old files", documents).await?;
        Ok(documents.iter().filter_map(|file| file.get_object_id("_id").ok().map(file_id)).collect())
    }
}
