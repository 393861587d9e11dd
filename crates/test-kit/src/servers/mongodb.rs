//! MongoDB as a replica set with one node. Change streams and majority writes need a replica set.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, Credential, ServerAddress};
use mongodb::{Client, Database};

use super::{Server, write_private};
use crate::ports::free_port;
use crate::process::Launch;
use crate::project::Project;
use crate::random::random_hex;

/// A MongoDB server with one account, `mixdown`, which may do everything.
#[derive(Debug, Clone)]
pub struct MongoDb {
    /// The server's program.
    pub program: PathBuf,
    /// Its data folder.
    pub data: PathBuf,
    /// Its TCP port.
    pub port: u16,
    /// The password of `mixdown`.
    pub password: String,
}

const REPLICA_SET: &str = "rs0";
const USER: &str = "mixdown";
const NOT_YET_INITIALIZED: i32 = 94;
const ALREADY_INITIALIZED: i32 = 23;

impl MongoDb {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn key_file(&self) -> PathBuf {
        self.data.with_extension("key")
    }

    fn client(&self, credential: Option<Credential>) -> Result<Client> {
        let options = ClientOptions::builder()
            .hosts(vec![ServerAddress::Tcp { host: "127.0.0.1".into(), port: Some(self.port) }])
            // Before the set is initiated, there is no primary to discover.
            .direct_connection(true)
            .connect_timeout(Duration::from_secs(2))
            .server_selection_timeout(Duration::from_secs(2))
            .credential(credential)
            .build();
        Ok(Client::with_options(options)?)
    }

    fn credential(&self) -> Credential {
        Credential::builder()
            .username(USER.to_owned())
            .password(self.password.clone())
            .source("admin".to_owned())
            .build()
    }

    /// Initiates the set and creates the account. While no account exists, the server lets local clients do
    /// that.
    async fn set_up(&self) -> Result<()> {
        let client = self.client(None)?;
        let admin = client.database("admin");
        let result = async {
            let config = doc! { "_id": REPLICA_SET, "members": [{ "_id": 0, "host": self.address() }] };
            match admin.run_command(doc! { "replSetInitiate": config }).await {
                Err(error) if command_code(&error) != Some(ALREADY_INITIALIZED) => {
                    return Err(error).context("could not initiate the replica set");
                }
                _ => wait_for_primary(&admin).await?,
            }
            let user = doc! { "createUser": USER, "pwd": &self.password, "roles": ["root"] };
            admin.run_command(user).await.context("could not create the account")?;
            Ok(())
        }
        .await;
        client.shutdown().immediate(true).await;
        result
    }

    /// The set identifies its member by address, so it must be told of a new port.
    async fn follow_port(&self, admin: &Database) -> Result<()> {
        let answer = admin.run_command(doc! { "replSetGetConfig": 1 }).await?;
        let mut config: Document = answer.get_document("config")?.clone();
        let version = config.get_i32("version")?;
        let member = config.get_array_mut("members")?.first_mut().and_then(|member| member.as_document_mut());
        let member = member.context("the replica set has no member")?;
        if member.get_str("host")? != self.address() {
            member.insert("host", self.address());
            config.insert("version", version + 1);
            admin.run_command(doc! { "replSetReconfig": config, "force": true }).await?;
        }
        wait_for_primary(admin).await
    }
}

async fn wait_for_primary(admin: &Database) -> Result<()> {
    // The greeting's deadline limits this loop.
    loop {
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        if hello.get_bool("isWritablePrimary").unwrap_or(false) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn command_code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

fn is_wrong_credential(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Authentication { .. })
}

impl Server for MongoDb {
    const NAME: &'static str = "mongodb";

    fn data_dir(&self) -> &Path {
        &self.data
    }

    fn configure(&self) -> Result<()> {
        // Members of a set must share a key before they can require passwords. With one member, any key
        // works.
        if self.key_file().exists() { Ok(()) } else { write_private(&self.key_file(), &random_hex::<32>()?) }
    }

    fn launch(&self) -> Result<Launch> {
        Ok(Launch::new(&self.program)
            .argument("--dbpath")
            .argument(self.data.display().to_string())
            .argument("--port")
            .argument(self.port.to_string())
            .argument("--bind_ip")
            .argument("127.0.0.1")
            .argument("--nounixsocket")
            .argument("--replSet")
            .argument(REPLICA_SET)
            .argument("--keyFile")
            .argument(self.key_file().display().to_string())
            .argument("--wiredTigerCacheSizeGB")
            .argument("0.25")
            // The default is 5 % of the disk. A gigabyte holds a few uploads, which is enough for the change
            // streams.
            .argument("--oplogSize")
            .argument("1024")
            .argument("--setParameter")
            .argument("diagnosticDataCollectionEnabled=false"))
    }

    async fn greet(&self) -> Result<()> {
        let client = self.client(Some(self.credential()))?;
        let admin = client.database("admin");
        let set_up = match admin.run_command(doc! { "replSetGetStatus": 1 }).await {
            Ok(_) => Ok(true),
            Err(error) if is_wrong_credential(&error) => Ok(false),
            Err(error) if command_code(&error) == Some(NOT_YET_INITIALIZED) => Ok(false),
            // A set whose member has an old address answers with an error. The new address, set below, fixes
            // it.
            Err(error) if command_code(&error).is_some() => Ok(true),
            Err(error) => Err(error).context("no answer yet"),
        };
        let result = match set_up {
            Ok(true) => self.follow_port(&admin).await,
            Ok(false) => self.set_up().await,
            Err(error) => Err(error),
        };
        client.shutdown().immediate(true).await;
        result
    }

    fn url(&self) -> String {
        let Self { password, port, .. } = self;
        format!("mongodb://{USER}:{password}@127.0.0.1:{port}/?authSource=admin&replicaSet={REPLICA_SET}")
    }

    fn new_in(project: &Project, home: &Path) -> Result<Self> {
        let program = project.mongod()?;
        Ok(Self { program, data: home.join(Self::NAME), port: free_port()?, password: random_hex::<16>()? })
    }
}
