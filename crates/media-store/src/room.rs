use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{ReadPreference, SelectionCriteria};

use crate::{MediaStore, StoreError};

/// The disk that holds MongoDB's files, as the primary sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The free space of the file system.
    pub free_bytes: u64,
    /// The space that deleted files left inside MongoDB's own files. New files use it first.
    pub reusable_bytes: u64,
    /// The size of the file system.
    pub total_bytes: u64,
}

/// At most this share of a disk (one eighth) is kept free. On a small disk, a reserve that is meant for large
/// ones would leave nothing.
const LARGEST_SHARE: u64 = 8;

impl Room {
    /// The reserve for a disk of this size, if `wanted` is configured.
    #[must_use]
    pub fn reserve(&self, wanted: u64) -> u64 {
        wanted.min(self.total_bytes / LARGEST_SHARE)
    }

    /// How many more bytes can be stored if `reserve` bytes are to stay free.
    ///
    /// Space inside MongoDB's files counts, but it is not enough: the journal and the checkpoints need free
    /// space of the file system. Without that the server stops itself.
    #[must_use]
    pub fn usable_bytes(&self, reserve: u64) -> u64 {
        if self.free_bytes < reserve / 2 {
            return 0;
        }
        self.free_bytes.saturating_add(self.reusable_bytes).saturating_sub(reserve)
    }
}

impl MediaStore {
    /// How much room there is for more files. `None`: the server does not say.
    pub async fn room(&self) -> Result<Option<Room>, StoreError> {
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        // Cheap: the server answers from statistics that it keeps and one look at the file system. It does
        // not read the files.
        let stats = self.database.run_command(doc! { "dbStats": 1, "freeStorage": 1 });
        let stats = stats.selection_criteria(primary);
        Ok(room_of(&self.deadline.bound("ask for the room on the disk", stats).await?))
    }
}

fn room_of(stats: &Document) -> Option<Room> {
    let total_bytes = bytes(stats, "fsTotalSize").filter(|total| *total > 0)?;
    let used_bytes = bytes(stats, "fsUsedSize")?;
    Some(Room {
        free_bytes: total_bytes.saturating_sub(used_bytes),
        reusable_bytes: bytes(stats, "freeStorageSize").unwrap_or_default(),
        total_bytes,
    })
}

/// MongoDB chooses the type of a number by its size.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no disk has 2^53 bytes, or fewer than none"
)]
fn bytes(stats: &Document, field: &str) -> Option<u64> {
    match stats.get(field)? {
        Bson::Double(number) if *number >= 0.0 => Some(*number as u64),
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_reserve_is_never_more_than_an_eighth_of_the_disk() {
        let room = |total_bytes| Room { free_bytes: 0, reusable_bytes: 0, total_bytes };
        assert_eq!(room(100 * GIB).reserve(4 * GIB), 4 * GIB);
        assert_eq!(room(16 * GIB).reserve(4 * GIB), 2 * GIB);
    }

    #[test]
    fn room_inside_of_mongodbs_files_counts_while_the_disk_has_some_too() {
        let room = |free_bytes, reusable_bytes| Room { free_bytes, reusable_bytes, total_bytes: 100 * GIB };
        assert_eq!(room(10 * GIB, 0).usable_bytes(4 * GIB), 6 * GIB);
        assert_eq!(room(3 * GIB, 0).usable_bytes(4 * GIB), 0);
        assert_eq!(room(3 * GIB, 5 * GIB).usable_bytes(4 * GIB), 4 * GIB);
        assert_eq!(room(GIB, 50 * GIB).usable_bytes(4 * GIB), 0);
    }

    #[test]
    fn a_server_that_does_not_say_is_believed_to_have_room() {
        assert_eq!(room_of(&doc! { "ok": 1, "freeStorageSize": 5 }), None);
        assert_eq!(room_of(&doc! { "fsTotalSize": 0.0, "fsUsedSize": 0.0 }), None);
        let told = doc! { "fsTotalSize": 1e11, "fsUsedSize": 9e10, "freeStorageSize": 4096_i64 };
        let room = Room { free_bytes: 10_000_000_000, reusable_bytes: 4096, total_bytes: 100_000_000_000 };
        assert_eq!(room_of(&told), Some(room));
    }
}
