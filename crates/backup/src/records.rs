//! The file: BSON documents, one after the other.
//!
//! ```text
//! {mixdown_backup: 1, release, taken_at, cluster_time}          the header
//! {database, collection, indexes}                               then for each collection: what it is,
//! {_id: …} {_id: …} …                                           its documents as they are stored,
//! {}                                                            and an empty one
//! {documents, bytes, sha256}                                    the end: what came before it
//! ```
//!
//! `database` has no prefix, so that a backup can be restored under another one. `indexes` are as
//! `listIndexes` returns them.

use aws_lc_rs::digest::{Context, SHA256};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, RawDocument, RawDocumentBuf, doc};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::BackupError;

/// The format that this release writes, and the only one that it reads.
pub const FORMAT: i32 = 1;

/// The header's field that marks a backup and names its format.
pub(crate) const MARK: &str = "mixdown_backup";

const DIGEST: &str = "sha256";

/// The empty document: its length and a zero.
const EMPTY: [u8; 5] = [5, 0, 0, 0, 0];

/// The 16 MiB limit of a document, and the 16 KiB that the server adds for itself.
const LONGEST: usize = (16 << 20) + (16 << 10);

/// A summary of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The number of documents.
    pub documents: u64,
    /// The bytes of the documents and of the records around them.
    pub bytes: u64,
    /// The moment of the backup, in seconds since 1970 by MongoDB's clock.
    pub as_of: u32,
}

pub(crate) struct RecordWriter<W> {
    output: W,
    digest: Context,
    documents: u64,
    bytes: u64,
}

impl<W: AsyncWrite + Unpin> RecordWriter<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output, digest: Context::new(&SHA256), documents: 0, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) async fn record(&mut self, record: &Document) -> Result<(), BackupError> {
        let record =
            RawDocumentBuf::try_from(record).map_err(|_| BackupError::Damaged("a record is no BSON"))?;
        self.raw(record.as_bytes()).await
    }

    pub(crate) async fn document(&mut self, document: &RawDocument) -> Result<(), BackupError> {
        self.documents += 1;
        self.raw(document.as_bytes()).await
    }

    pub(crate) async fn end_collection(&mut self) -> Result<(), BackupError> {
        self.raw(&EMPTY).await
    }

    /// Flushes everything written so far to the output.
    pub(crate) async fn flush(&mut self) -> Result<(), BackupError> {
        self.output.flush().await.map_err(BackupError::Write)
    }

    pub(crate) async fn finish(mut self, as_of: u32) -> Result<Summary, BackupError> {
        let Self { documents, bytes, .. } = self;
        let digest = self.digest.clone().finish();
        self.record(&end(documents, bytes, digest.as_ref())).await?;
        self.flush().await?;
        Ok(Summary { documents, bytes, as_of })
    }

    async fn raw(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.output.write_all(bytes).await.map_err(BackupError::Write)
    }
}

fn end(documents: u64, bytes: u64, digest: &[u8]) -> Document {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let digest = Binary { subtype: BinarySubtype::Generic, bytes: digest.to_vec() };
    doc! { "documents": count(documents), "bytes": count(bytes), DIGEST: digest }
}

/// What follows a collection.
pub(crate) enum Between {
    /// Another collection.
    Collection(Document),
    /// The end, with a correct checksum.
    End(Summary),
}

pub(crate) struct RecordReader<R> {
    input: R,
    digest: Context,
    documents: u64,
    bytes: u64,
    as_of: u32,
}

impl<R: AsyncRead + Unpin> RecordReader<R> {
    /// Reads the header.
    pub(crate) async fn begin(input: R) -> Result<Self, BackupError> {
        let mut reader = Self { input, digest: Context::new(&SHA256), documents: 0, bytes: 0, as_of: 0 };
        let header = match reader.raw().await {
            Ok(raw) => Document::try_from(raw).map_err(|_| BackupError::NoBackup)?,
            Err(BackupError::Read(error)) => return Err(BackupError::Read(error)),
            Err(_) => return Err(BackupError::NoBackup),
        };
        let format = header.get_i32(MARK).map_err(|_| BackupError::NoBackup)?;
        if format != FORMAT {
            return Err(BackupError::OtherFormat(format));
        }
        let cluster_time = header.get_timestamp("cluster_time");
        reader.as_of = cluster_time.map_err(|_| BackupError::Damaged("its header names no time"))?.time;
        Ok(reader)
    }

    pub(crate) async fn between(&mut self) -> Result<Between, BackupError> {
        let (documents, bytes) = (self.documents, self.bytes);
        let digest = self.digest.clone();
        let record = Document::try_from(self.raw().await?);
        let record = record.map_err(|_| BackupError::Damaged("a record in it is no BSON"))?;
        if !record.contains_key(DIGEST) {
            return Ok(Between::Collection(record));
        }
        if record != end(documents, bytes, digest.finish().as_ref()) {
            return Err(BackupError::Damaged("its checksum is not that of what is in it"));
        }
        let beyond = self.input.read(&mut [0]).await.map_err(BackupError::Read)?;
        if beyond > 0 {
            return Err(BackupError::Damaged("it goes on behind its end"));
        }
        Ok(Between::End(Summary { documents, bytes, as_of: self.as_of }))
    }

    /// The collection's next document, or `None` at its end.
    pub(crate) async fn document(&mut self) -> Result<Option<RawDocumentBuf>, BackupError> {
        let document = self.raw().await?;
        if document.as_bytes() == EMPTY {
            return Ok(None);
        }
        self.documents += 1;
        Ok(Some(document))
    }

    async fn raw(&mut self) -> Result<RawDocumentBuf, BackupError> {
        let mut length = [0; 4];
        self.exact(&mut length).await?;
        let total = usize::try_from(i32::from_le_bytes(length)).unwrap_or(0);
        if !(EMPTY.len()..=LONGEST).contains(&total) {
            return Err(BackupError::Damaged("a document in it has an impossible length"));
        }
        let mut bytes = vec![0; total];
        bytes[..4].copy_from_slice(&length);
        self.exact(&mut bytes[4..]).await?;
        self.digest.update(&bytes);
        self.bytes += bytes.len() as u64;
        RawDocumentBuf::from_bytes(bytes).map_err(|_| BackupError::Damaged("a document in it is no BSON"))
    }

    async fn exact(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        match self.input.read_exact(bytes).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(BackupError::CutOff),
            Err(error) => Err(BackupError::Read(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, Timestamp};

    use super::*;
    use crate::check;

    async fn small_backup() -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = RecordWriter::new(&mut file);
        let cluster_time = Timestamp { time: 7, increment: 1 };
        let header = doc! { MARK: FORMAT, "taken_at": DateTime::now(), "cluster_time": cluster_time };
        writer.record(&header).await.unwrap();
        writer.record(&doc! { "database": "mixdown", "collection": "jobs", "indexes": [] }).await.unwrap();
        for id in 0..3 {
            let document = RawDocumentBuf::try_from(&doc! { "_id": id, "text": "any" }).unwrap();
            writer.document(&document).await.unwrap();
        }
        writer.end_collection().await.unwrap();
        writer.finish(7).await.unwrap();
        file
    }

    #[tokio::test]
    async fn a_whole_backup_is_found_whole() {
        let file = small_backup().await;
        let summary = check(file.as_slice()).await.unwrap();
        assert_eq!((summary.documents, summary.as_of), (3, 7));
    }

    #[tokio::test]
    async fn a_backup_that_is_cut_off_anywhere_is_none() {
        let file = small_backup().await;
        for length in 0..file.len() {
            assert!(check(&file[..length]).await.is_err(), "the first {length} bytes are taken for a backup");
        }
    }

    #[tokio::test]
    async fn a_backup_with_one_other_byte_is_none() {
        let file = small_backup().await;
        for place in 0..file.len() {
            for bit in [1, 0x80] {
                let mut damaged = file.clone();
                damaged[place] ^= bit;
                assert!(check(damaged.as_slice()).await.is_err(), "byte {place} does not matter");
            }
        }
    }

    #[tokio::test]
    async fn a_backup_with_something_behind_it_is_none() {
        let mut file = small_backup().await;
        file.push(0);
        assert!(matches!(check(file.as_slice()).await, Err(BackupError::Damaged(_))));
    }

    #[tokio::test]
    async fn another_file_and_another_format_are_told_apart() {
        assert!(matches!(check(&b"-- MySQL dump"[..]).await, Err(BackupError::NoBackup)));
        let header = RawDocumentBuf::try_from(&doc! { MARK: FORMAT + 1 }).unwrap();
        let other = check(header.as_bytes()).await;
        assert!(matches!(other, Err(BackupError::OtherFormat(2))), "{other:?}");
    }
}
