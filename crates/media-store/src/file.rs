use std::num::NonZeroU32;
use std::ops::Range;

use contracts::FileId;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, RawBsonRef, RawDocument, doc};
use time::{Duration, OffsetDateTime};

use crate::{Damage, StoreError};

/// The chunk size of files that this crate writes: the specification's default. Larger chunks measured no
/// faster, and would need more memory, which is counted in chunks.
pub(crate) const CHUNK_BYTES: u32 = 255 * 1024;

/// The fields of a file's metadata that hold what was attached to it.
pub(crate) const SIDECAR: &str = "sidecar";
pub(crate) const PICTURE: &str = "picture";
pub(crate) const RIGHT: &str = "right";

/// The projection of a description without attachments, as [`StoredFile`] needs it.
pub(crate) fn without_attachments() -> Document {
    doc! { format!("metadata.{SIDECAR}"): 0, format!("metadata.{PICTURE}"): 0 }
}

/// A complete file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its identifier.
    pub fid: FileId,
    /// Its name; empty when it was stored without one.
    pub name: String,
    /// Its media type, if it was stored with one.
    pub content_type: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// The length of every chunk except the last.
    pub chunk_bytes: NonZeroU32,
    /// When it was stored, by the database server's clock, in whole milliseconds.
    pub stored_at: OffsetDateTime,
}

impl StoredFile {
    /// Reads a document of `fs.files`. Numbers may have any numeric type, since shells and older drivers
    /// write different ones.
    pub(crate) fn parse(fid: FileId, document: &RawDocument) -> Result<Self, StoreError> {
        let file = || {
            let milliseconds = document.get_datetime("uploadDate").ok()?.timestamp_millis();
            let metadata = document.get_document("metadata").ok();
            let content_type = metadata.and_then(|metadata| metadata.get_str("contentType").ok());
            Some(Self {
                fid,
                name: document.get_str("filename").unwrap_or_default().to_owned(),
                content_type: content_type.map(str::to_owned),
                bytes: u64::try_from(integer(document, "length")?).ok()?,
                chunk_bytes: u32::try_from(integer(document, "chunkSize")?).ok()?.try_into().ok()?,
                stored_at: OffsetDateTime::UNIX_EPOCH.checked_add(Duration::milliseconds(milliseconds))?,
            })
        };
        file().ok_or(StoreError::Corrupt { fid, damage: Damage::Description })
    }

    pub(crate) fn chunks(&self) -> u64 {
        self.bytes.div_ceil(self.chunk_bytes.get().into())
    }

    /// The place of the chunk's bytes in the file.
    pub(crate) fn chunk_range(&self, n: u64) -> Range<u64> {
        let chunk_bytes = u64::from(self.chunk_bytes.get());
        let start = (n * chunk_bytes).min(self.bytes);
        start..start.saturating_add(chunk_bytes).min(self.bytes)
    }
}

/// A whole number of any numeric type.
pub(crate) fn integer(document: &RawDocument, field: &str) -> Option<i64> {
    match document.get(field).ok()?? {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the guard lets through what a double holds exactly"
        )]
        RawBsonRef::Double(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(number as i64),
        _ => None,
    }
}

pub(crate) fn object_id(fid: FileId) -> ObjectId {
    ObjectId::from_bytes(fid.bytes())
}

pub(crate) fn file_id(id: ObjectId) -> FileId {
    FileId::from_bytes(id.bytes())
}
