use databases::Databases;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::results::CollectionType;
use mongodb::{Collection, Database};

use crate::BackupError;
use crate::timeout::within;

/// The prefix of the collections that a restore fills, and the name of the mark of a running swap.
pub(crate) const RESTORING: &str = "restoring";

/// One collection of one of the three databases.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The database's name without its prefix.
    pub(crate) database_name: &'static str,
    pub(crate) database: Database,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn label(&self) -> String {
        format!("{}.{}", self.database_name, self.name)
    }

    pub(crate) fn collection(&self) -> Collection<RawDocumentBuf> {
        self.database.collection(&self.name)
    }

    /// The indexes as `listIndexes` returns them, without the one on `_id`.
    pub(crate) async fn indexes(&self) -> Result<Vec<Document>, BackupError> {
        let command = doc! { "listIndexes": &self.name };
        let indexes =
            async { self.database.run_cursor_command(command).await?.try_collect::<Vec<_>>().await };
        let indexes = within(&format!("list the indexes of {}", self.label()), indexes).await?;
        Ok(indexes
            .into_iter()
            .filter(|index| index.get_str("name").is_ok_and(|name| name != "_id_"))
            .collect())
    }
}

/// The collections that the services use, in the order of their names.
pub(crate) async fn in_use(databases: &Databases) -> Result<Vec<Place>, BackupError> {
    let mut places = all(databases).await?;
    places.retain(|place| !place.name.starts_with(RESTORING));
    Ok(places)
}

/// All collections, including those of a restore.
pub(crate) async fn all(databases: &Databases) -> Result<Vec<Place>, BackupError> {
    let mut places = Vec::new();
    for (database_name, database) in databases.all() {
        let list = async { database.list_collections().await?.try_collect::<Vec<_>>().await };
        let collections = within(&format!("list the collections of {database_name}"), list).await?;
        let mut names: Vec<String> = collections
            .into_iter()
            // Views have no documents, and the server manages its own collections.
            .filter(|found| {
                found.collection_type == CollectionType::Collection && !found.name.starts_with("system.")
            })
            .map(|found| found.name)
            .collect();
        names.sort();
        places.extend(names.into_iter().map(|name| Place {
            database_name,
            database: database.clone(),
            name,
        }));
    }
    Ok(places)
}
