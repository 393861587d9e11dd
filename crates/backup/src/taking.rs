use databases::Databases;
use mongodb::bson::{DateTime, doc};
use tokio::io::{AsyncWrite, BufWriter};

use crate::records::{FORMAT, MARK, RecordWriter};
use crate::snapshot::Snapshot;
use crate::{BackupError, Summary};

const BUFFER: usize = 1 << 20;

/// Writes all collections of the three databases as of one moment, while everything runs. The moment is fixed
/// before the first byte is written.
///
/// Needs a replica set of MongoDB 5.0 or newer, and an account that may read the three databases. Holds one
/// batch of the server in memory, 16 MiB or less.
///
/// # Errors
/// MongoDB or the output fails, or the output is so slow that MongoDB drops the snapshot. The written file is
/// then no backup, and [`check`](crate::check) reports it.
pub async fn back_up(databases: &Databases, output: impl AsyncWrite + Unpin) -> Result<Summary, BackupError> {
    let mut snapshot = Snapshot::open(databases).await?;
    let mut records = RecordWriter::new(BufWriter::with_capacity(BUFFER, output));
    let header = doc! {
        MARK: FORMAT,
        "release": env!("CARGO_PKG_VERSION"),
        "taken_at": DateTime::now(),
        "cluster_time": snapshot.cluster_time,
    };
    records.record(&header).await?;
    records.flush().await?;
    for place in snapshot.places.clone() {
        let indexes = place.indexes().await?;
        let (database, collection) = (place.database_name, &place.name);
        records.record(&doc! { "database": database, "collection": collection, "indexes": indexes }).await?;
        snapshot.copy(&place, &mut records).await?;
        records.end_collection().await?;
    }
    records.finish(snapshot.cluster_time.time).await
}
