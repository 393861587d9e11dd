use std::time::{Duration, Instant};

use databases::Databases;
use futures_util::StreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::{Bson, Document, Timestamp, doc};
use tokio::io::AsyncWrite;

use crate::collections::{Place, in_use};
use crate::error::{LostSnapshot, PARAMETER};
use crate::records::RecordWriter;
use crate::timeout::within;
use crate::{BackupError, is_half_restored};

const SNAPSHOT_TOO_OLD: i32 = 239;
const SNAPSHOT_UNAVAILABLE: i32 = 246;

/// A collection cannot be read as of a moment before its creation or its newest index. A starting service
/// creates both within a moment.
const RESTLESS_FOR: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

/// A read-only snapshot of all three databases.
pub(crate) struct Snapshot {
    session: ClientSession,
    pub(crate) places: Vec<Place>,
    pub(crate) cluster_time: Timestamp,
    began: Instant,
    total: Option<u64>,
    window: Option<i64>,
}

impl Snapshot {
    pub(crate) async fn open(databases: &Databases) -> Result<Self, BackupError> {
        let (total, window) = (total_bytes(databases).await, window(databases).await);
        let deadline = Instant::now() + RESTLESS_FOR;
        loop {
            if is_half_restored(databases).await? {
                return Err(BackupError::HalfRestored);
            }
            match Self::try_open(databases, total, window).await {
                Err(BackupError::Restless) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                result => return result,
            }
        }
    }

    async fn try_open(
        databases: &Databases,
        total: Option<u64>,
        window: Option<i64>,
    ) -> Result<Self, BackupError> {
        let places = in_use(databases).await?;
        if places.is_empty() {
            let names = databases.all().map(|(_, database)| database.name().to_owned());
            return Err(BackupError::NothingThere(names.join(", ")));
        }
        let [(_, some), ..] = databases.all();
        let session = within("begin a session", some.client().start_session().snapshot(true)).await?;
        let cluster_time = Timestamp { time: 0, increment: 0 };
        let mut snapshot = Self { session, places, cluster_time, began: Instant::now(), total, window };
        snapshot.fix_the_moment().await?;
        // A collection created in between could belong to the snapshot.
        let names = |places: &[Place]| places.iter().map(Place::label).collect::<Vec<_>>();
        if names(&in_use(databases).await?) != names(&snapshot.places) {
            return Err(BackupError::Restless);
        }
        Ok(snapshot)
    }

    /// The first read fixes the moment; the others prove that each collection can be read as of it.
    async fn fix_the_moment(&mut self) -> Result<(), BackupError> {
        for place in &self.places {
            let collection = place.collection();
            let probe = collection.find_one(doc! {}).projection(doc! { "_id": 1 }).session(&mut self.session);
            match within(&format!("read {}", place.label()), probe).await {
                Err(error) if error.code() == Some(SNAPSHOT_UNAVAILABLE) => {
                    return Err(BackupError::Restless);
                }
                Err(error) => return Err(self.explain(error, 0)),
                Ok(_) => {}
            }
        }
        self.cluster_time = self.session.snapshot_time().ok_or(BackupError::Restless)?;
        Ok(())
    }

    /// Writes all documents of a collection, one batch of the server at a time.
    pub(crate) async fn copy<W: AsyncWrite + Unpin>(
        &mut self,
        place: &Place,
        records: &mut RecordWriter<W>,
    ) -> Result<(), BackupError> {
        let step = format!("read {}", place.label());
        let find = place.collection();
        let find = find.find(doc! {}).session(&mut self.session).batch();
        let mut batches = match within(&step, find).await {
            Ok(batches) => batches,
            Err(error) => return Err(self.explain(error, records.bytes())),
        };
        loop {
            let next = async { batches.stream(&mut self.session).next().await.transpose() };
            let batch = match within(&step, next).await {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.explain(error, records.bytes())),
            };
            let unreadable = |error| BackupError::Database { step: step.clone(), error };
            for document in batch.doc_slices().map_err(unreadable)? {
                let document = document.map_err(|error| unreadable(error.into()))?;
                let document =
                    document.as_document().ok_or(BackupError::Damaged("MongoDB sent no document"))?;
                records.document(document).await?;
            }
        }
    }

    fn explain(&self, error: BackupError, written: u64) -> BackupError {
        let (SNAPSHOT_TOO_OLD | SNAPSHOT_UNAVAILABLE) = error.code().unwrap_or_default() else {
            return error;
        };
        let BackupError::Database { error, .. } = error else { return error };
        let lost =
            LostSnapshot { elapsed: self.began.elapsed(), written, total: self.total, window: self.window };
        BackupError::SnapshotLost(Box::new(lost), error)
    }
}

/// Only for the advice in an error: it is left out if the account may not query it.
async fn total_bytes(databases: &Databases) -> Option<u64> {
    let mut total = 0.0;
    for (_, database) in databases.all() {
        let command = database.run_command(doc! { "dbStats": 1 });
        total += number(within("ask for sizes", command).await.ok()?.get("dataSize")?)?;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a database")]
    Some(total as u64)
}

async fn window(databases: &Databases) -> Option<i64> {
    let [(_, some), ..] = databases.all();
    let command: Document = doc! { "getParameter": 1, PARAMETER: 1 };
    let answer = within("ask for a parameter", some.client().database("admin").run_command(command)).await;
    #[expect(clippy::cast_possible_truncation, reason = "seconds")]
    number(answer.ok()?.get(PARAMETER)?).map(|seconds| seconds as i64)
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Double(value) => Some(*value),
        Bson::Int32(value) => Some(f64::from(*value)),
        #[expect(clippy::cast_precision_loss, reason = "for an advice")]
        Bson::Int64(value) => Some(*value as f64),
        _ => None,
    }
}
