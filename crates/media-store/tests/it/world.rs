use std::time::Duration;

use bytes::{Bytes, BytesMut};
use contracts::FileId;
use futures_util::TryStreamExt as _;
use media_store::{MediaStore, StoreError, StoredFile, Upload};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection, Database};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::task::TaskTracker;

pub(crate) const CHUNK: usize = 255 * 1024;
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A store in a database of its own.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) store: MediaStore,
    pub(crate) tasks: TaskTracker,
}

impl World {
    pub(crate) async fn new() -> Self {
        let client = Client::with_uri_str(&test_kit::shared().mongodb_url).await.unwrap();
        let database = client.database(&test_kit::unique_name("media"));
        let tasks = TaskTracker::new();
        let store = MediaStore::new(database.clone(), tasks.clone());
        store.ensure_indexes().await.unwrap();
        Self { database, store, tasks }
    }

    pub(crate) async fn stored(&self, content: &Bytes) -> StoredFile {
        let mut upload = self.store.begin("video.mp4", "video/mp4").await.unwrap();
        upload.write(content.clone()).await.unwrap();
        upload.finish().await.unwrap()
    }

    pub(crate) async fn read_all(&self, file: &StoredFile) -> Result<Bytes, StoreError> {
        self.read(file, 0..file.bytes).await
    }

    pub(crate) async fn read(
        &self,
        file: &StoredFile,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, StoreError> {
        let whole = self.store.read(file, range).try_fold(BytesMut::new(), async |mut whole, piece| {
            whole.extend_from_slice(&piece);
            Ok(whole)
        });
        whole.await.map(BytesMut::freeze)
    }

    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }

    pub(crate) async fn marker_state(&self, fid: FileId) -> Option<String> {
        let marker = self.collection("fs.pending").find_one(doc! { "_id": id(fid) }).await.unwrap()?;
        Some(marker.get_str("state").unwrap().to_owned())
    }

    /// The number of this file's documents: descriptions, chunks, markers.
    pub(crate) async fn traces(&self, fid: FileId) -> [u64; 3] {
        let count = async |name, filter| self.collection(name).count_documents(filter).await.unwrap();
        [
            count("fs.files", doc! { "_id": id(fid) }).await,
            count("fs.chunks", doc! { "files_id": id(fid) }).await,
            count("fs.pending", doc! { "_id": id(fid) }).await,
        ]
    }

    /// Waits for what runs in the background, as a service does before it ends.
    pub(crate) async fn background_work_has_ended(&self) {
        self.tasks.close();
        tokio::time::timeout(SOON, self.tasks.wait()).await.expect("the background work ends");
    }
}

pub(crate) fn id(fid: FileId) -> ObjectId {
    ObjectId::from_bytes(fid.bytes())
}

/// Random bytes, always the same ones for a length.
pub(crate) fn noise(bytes: usize) -> Bytes {
    let mut content = vec![0; bytes];
    SmallRng::seed_from_u64(bytes as u64).fill_bytes(&mut content);
    content.into()
}

/// Leaves an upload as a killed process would: its inserts may have arrived, and no destructor runs.
pub(crate) async fn killed(world: &World, upload: Upload, chunks: u64) {
    let fid = upload.fid();
    std::mem::forget(upload);
    test_kit::wait_until("the inserts under way have arrived", SOON, async || {
        world.traces(fid).await[1] == chunks
    })
    .await;
}
