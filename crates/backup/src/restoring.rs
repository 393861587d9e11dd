use databases::Databases;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{CollectionOptions, WriteConcern};
use mongodb::{Collection, Database};
use tokio::io::{AsyncRead, BufReader};

use crate::collections::{Place, RESTORING, all, in_use};
use crate::records::{Between, RecordReader};
use crate::timeout::within;
use crate::{BackupError, Summary};

const BUFFER: usize = 1 << 20;

/// The bytes of one insert: efficient for the server, and a bound on memory.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_DOCUMENTS: usize = 1000;

/// Proves by its checksum that a backup is whole.
///
/// # Errors
/// It is not whole, or cannot be read.
pub async fn check(input: impl AsyncRead + Unpin) -> Result<Summary, BackupError> {
    let mut records = RecordReader::begin(BufReader::with_capacity(BUFFER, input)).await?;
    loop {
        match records.between().await? {
            Between::Collection(_) => while records.document().await?.is_some() {},
            Between::End(summary) => return Ok(summary),
        }
    }
}

/// Replaces the content of the three databases by a backup. The services must not run.
///
/// The documents go into collections beside those in use, so both need room for a while. The two are swapped
/// only when the backup is proven whole. A restore that ends before the swap leaves the old content. One that
/// is killed during the swap is [known](is_half_restored) until another restore has completed.
///
/// # Errors
/// The backup is not whole, or MongoDB fails.
pub async fn restore(databases: &Databases, input: impl AsyncRead + Unpin) -> Result<Summary, BackupError> {
    let mut records = RecordReader::begin(BufReader::with_capacity(BUFFER, input)).await?;
    discard_filled(databases).await?;
    match fill(databases, &mut records).await {
        Ok((filled, summary)) => {
            put_in_place(databases, &filled).await?;
            Ok(summary)
        }
        Err(error) => {
            // If this fails too, the next restore discards the rest.
            let _ = discard_filled(databases).await;
            Err(error)
        }
    }
}

/// Whether a restore was killed during the swap, so that only some collections are the backup's.
///
/// # Errors
/// MongoDB fails.
pub async fn is_half_restored(databases: &Databases) -> Result<bool, BackupError> {
    let mark = mark(databases);
    let found = within("look for an interrupted restore", mark.find_one(doc! {})).await?;
    Ok(found.is_some())
}

fn mark(databases: &Databases) -> Collection<Document> {
    let [(_, database), ..] = databases.all();
    let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
    database.collection_with_options(RESTORING, options)
}

/// A filled collection, and the one that it will replace.
struct Filled {
    place: Place,
    beside: String,
}

impl Filled {
    fn new(databases: &Databases, record: &Document) -> Result<Self, BackupError> {
        let strange = || BackupError::Damaged("a record in it names no collection of Mixdown's");
        let database = record.get_str("database").map_err(|_| strange())?;
        let name = record.get_str("collection").map_err(|_| strange())?;
        let known = databases.all().into_iter().find(|(known, _)| *known == database);
        let (database_name, database) = known.ok_or_else(strange)?;
        let place = Place { database_name, database, name: name.to_owned() };
        Ok(Self { beside: format!("{RESTORING}.{name}"), place })
    }

    async fn create(&self, record: &Document) -> Result<(), BackupError> {
        let step = format!("make the collection of {}", self.place.label());
        within(&step, self.place.database.create_collection(&self.beside)).await?;
        let indexes = record.get_array("indexes").cloned().unwrap_or_default();
        if indexes.is_empty() {
            return Ok(());
        }
        // Before the documents: otherwise the services would build them at their start, and wait for it.
        let command = doc! { "createIndexes": &self.beside, "indexes": indexes };
        within(&format!("index {}", self.place.label()), self.place.database.run_command(command))
            .await
            .map(drop)
    }

    async fn insert(&self, batch: &mut Vec<RawDocumentBuf>) -> Result<(), BackupError> {
        let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
        let beside: Collection<RawDocumentBuf> =
            self.place.database.collection_with_options(&self.beside, options);
        let step = format!("store documents of {}", self.place.label());
        within(&step, beside.insert_many(std::mem::take(batch))).await.map(drop)
    }
}

/// Reads the backup to its end.
async fn fill<R: AsyncRead + Unpin>(
    databases: &Databases,
    records: &mut RecordReader<R>,
) -> Result<(Vec<Filled>, Summary), BackupError> {
    let mut all_filled = Vec::new();
    loop {
        let record = match records.between().await? {
            Between::Collection(record) => record,
            Between::End(summary) => return Ok((all_filled, summary)),
        };
        let filled = Filled::new(databases, &record)?;
        filled.create(&record).await?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(document) = records.document().await? {
            bytes += document.as_bytes().len();
            batch.push(document);
            if bytes >= BATCH_BYTES || batch.len() == BATCH_DOCUMENTS {
                filled.insert(&mut batch).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            filled.insert(&mut batch).await?;
        }
        all_filled.push(filled);
    }
}

/// From its first to its last step, the databases are a mixture of old and new.
async fn put_in_place(databases: &Databases, all_filled: &[Filled]) -> Result<(), BackupError> {
    let begun = doc! { "_id": "unfinished" };
    let mark = mark(databases);
    let note = mark.replace_one(begun.clone(), begun).upsert(true);
    within("note that the restore begins", note).await?;
    for filled in all_filled {
        let Place { database, name, .. } = &filled.place;
        rename(database, &filled.beside, name).await?;
    }
    let is_restored = |place: &Place| all_filled.iter().any(|filled| filled.place.label() == place.label());
    for place in in_use(databases).await?.iter().filter(|place| !is_restored(place)) {
        // The collection did not exist at the backup's moment.
        within(&format!("drop {}", place.label()), place.collection().drop()).await?;
    }
    within("note that the restore is done", mark.drop()).await
}

async fn rename(database: &Database, from: &str, to: &str) -> Result<(), BackupError> {
    let full_name = |name: &str| format!("{}.{name}", database.name());
    let command = doc! {
        "renameCollection": full_name(from),
        "to": full_name(to),
        "dropTarget": true,
        "writeConcern": { "w": "majority" },
    };
    let admin = database.client().database("admin");
    within(&format!("put {to} in place"), admin.run_command(command)).await.map(drop)
}

/// Deletes the filled collections of an incomplete restore. Its mark stays until a restore completes.
async fn discard_filled(databases: &Databases) -> Result<(), BackupError> {
    let beside = format!("{RESTORING}.");
    for place in all(databases).await?.iter().filter(|place| place.name.starts_with(&beside)) {
        within(&format!("drop {}", place.label()), place.collection().drop()).await?;
    }
    Ok(())
}
