//! What is really in GridFS, read behind the services' backs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::io::AsyncReadExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};

use crate::wait_until;

/// For a service that first has to notice, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// One of the two databases with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The uploads.
    Videos,
    /// The results.
    Mp3s,
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Whole files.
    pub files: u64,
    /// Files of which there are chunks only.
    pub fragments: u64,
    /// Markers of unfinished uploads and deletions.
    pub pending: u64,
}

impl Contents {
    /// So many whole files, and nothing half done.
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
    /// When the URL is none.
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

    /// Everything that a store holds.
    ///
    /// # Errors
    /// When MongoDB doesn't answer.
    pub async fn contents(&self, store: Store) -> Result<Contents> {
        let database = self.database(store);
        let collection = |name: &str| database.collection::<Document>(name);
        // Chunks first: a file whose deletion comes between the two would otherwise look like a fragment.
        let chunked = distinct(&collection("fs.chunks").distinct("files_id", doc! {}).await?);
        let files = distinct(&collection("fs.files").distinct("_id", doc! {}).await?);
        let pending = collection("fs.pending").count_documents(doc! {}).await?;
        let fragments = chunked.difference(&files).count() as u64;
        Ok(Contents { files: files.len() as u64, fragments, pending })
    }

    /// Waits until a store holds nothing of any file: no description, no chunk, no marker. Deletions go on
    /// after an answer.
    ///
    /// # Panics
    /// When it holds something two minutes later.
    pub async fn wait_until_empty(&self, store: Store) {
        wait_until("nothing is stored any more", PATIENCE, async || {
            let contents = self.contents(store).await?;
            ensure!(contents == Contents::whole(0), "{contents:?}");
            Ok(())
        })
        .await;
    }

    /// Whether anything of a file is there, be it a single chunk.
    ///
    /// # Errors
    /// When the identifier is none, or MongoDB doesn't answer.
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
    /// When there is no such file, or not all of it.
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
