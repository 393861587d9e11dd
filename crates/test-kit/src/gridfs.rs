//! Reads the content of GridFS directly, not through the services.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::io::AsyncReadExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};

use crate::wait_until;

/// Long enough for a service to notice on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// One of the two databases with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Uploaded videos.
    Videos,
    /// Converted audio files.
    Mp3s,
}

/// The content of a store, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Whole files.
    pub files: u64,
    /// Files without a description, of which only chunks exist.
    pub fragments: u64,
    /// Markers of unfinished uploads and deletions.
    pub pending: u64,
}

impl Contents {
    /// That many whole files, and nothing unfinished.
    #[must_use]
    pub fn whole(files: u64) -> Self {
        Self { files, fragments: 0, pending: 0 }
    }
}

/// The files of one Mixdown.
#[derive(Debug, Clone)]
pub struct GridFs {
    client: Client,
    prefix: String,
}

impl GridFs {
    /// The files in the databases whose names begin with `prefix`.
    ///
    /// # Errors
    /// The URL is malformed.
    pub async fn at(mongodb_url: &str, prefix: &str) -> Result<Self> {
        let client = Client::with_uri_str(mongodb_url).await.context("the MongoDB URL is not usable")?;
        Ok(Self { client, prefix: prefix.to_owned() })
    }

    fn database(&self, store: Store) -> Database {
        let name = match store {
            Store::Videos => "videos",
            Store::Mp3s => "mp3s",
        };
        self.client.database(&format!("{}{name}", self.prefix))
    }

    /// The content of a store.
    ///
    /// # Errors
    /// MongoDB does not answer.
    pub async fn contents(&self, store: Store) -> Result<Contents> {
        let database = self.database(store);
        let collection = |name: &str| database.collection::<Document>(name);
        // Chunks first: otherwise a file that is deleted between the two queries would look like a fragment.
        let chunked = distinct(&collection("fs.chunks").distinct("files_id", doc! {}).await?);
        let files = distinct(&collection("fs.files").distinct("_id", doc! {}).await?);
        let pending = collection("fs.pending").count_documents(doc! {}).await?;
        let fragments = chunked.difference(&files).count() as u64;
        Ok(Contents { files: files.len() as u64, fragments, pending })
    }

    /// Waits until a store has nothing left of any file: no description, no chunk, no marker. A service
    /// deletes files after it has answered.
    ///
    /// # Panics
    /// The store is not empty within two minutes.
    pub async fn wait_until_empty(&self, store: Store) {
        wait_until("nothing is stored any more", PATIENCE, async || {
            let contents = self.contents(store).await?;
            ensure!(contents == Contents::whole(0), "{contents:?}");
            Ok(())
        })
        .await;
    }

    /// Whether anything of a file exists, even a single chunk.
    ///
    /// # Errors
    /// The identifier is malformed, or MongoDB does not answer.
    pub async fn has_any_of(&self, store: Store, fid: &str) -> Result<bool> {
        let fid = ObjectId::parse_str(fid).context("no file has such an identifier")?;
        let database = self.database(store);
        let count = async |name: &str, filter: Document| {
            database.collection::<Document>(name).count_documents(filter).await
        };
        let pieces = count("fs.files", doc! { "_id": fid }).await?
            + count("fs.chunks", doc! { "files_id": fid }).await?
            + count("fs.pending", doc! { "_id": fid }).await?;
        Ok(pieces > 0)
    }

    /// Reads a file with the driver's own stream, piece by piece.
    ///
    /// # Errors
    /// The file is missing or incomplete.
    pub async fn read(&self, store: Store, fid: &str, mut pass: impl FnMut(&[u8])) -> Result<()> {
        let fid = ObjectId::parse_str(fid).context("no file has such an identifier")?;
        let bucket = self.database(store).gridfs_bucket(None);
        let mut stream = bucket.open_download_stream(fid.into()).await.context("there is no such file")?;
        let mut piece = vec![0; 1 << 20];
        loop {
            match stream.read(&mut piece).await.context("the file breaks off")? {
                0 => return Ok(()),
                length => pass(&piece[..length]),
            }
        }
    }
}

fn distinct(ids: &[Bson]) -> BTreeSet<ObjectId> {
    ids.iter().filter_map(Bson::as_object_id).collect()
}
