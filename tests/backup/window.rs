//! A server that discards the backup's moment before it is read.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt as _;
use mongodb::Client;
use mongodb::bson::{Document, Timestamp, doc};
use mongodb::error::ErrorKind;
use test_kit::mixdown::Plan;
use test_kit::servers::{MongoDb, Running, Server as _};
use test_kit::services::Service;
use test_kit::wait_until;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::world::{PATIENCE, World, account, run};

const SNAPSHOT_TOO_OLD: i32 = 239;

async fn set_window(client: &Client, seconds: i32) -> Result<()> {
    let command = doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": seconds };
    client.database("admin").run_command(command).await?;
    Ok(())
}

/// Reads a backup's header. Returns the moment in it.
async fn moment(backup: &mut (impl AsyncRead + Unpin)) -> Result<Timestamp> {
    let length = backup.read_u32_le().await?;
    let mut bytes = length.to_le_bytes().to_vec();
    backup.take(u64::from(length) - 4).read_to_end(&mut bytes).await?;
    Ok(mongodb::bson::deserialize_from_slice::<Document>(&bytes)?.get_timestamp("cluster_time")?)
}

/// Writes until the server has discarded the data of that moment.
async fn wait_until_forgotten(client: &Client, moment: Timestamp) {
    let numbers = client.database("elsewhere").collection::<Document>("numbers");
    wait_until("the moment is forgotten", PATIENCE, async || {
        numbers.insert_one(doc! {}).await?;
        let mut session = client.start_session().snapshot(true).snapshot_time(moment).await?;
        let read = numbers.find_one(doc! {}).session(&mut session).await;
        let code = read.err().and_then(|error| match *error.kind {
            ErrorKind::Command(command) => Some(command.code),
            _ => None,
        });
        ensure!(code == Some(SNAPSHOT_TOO_OLD), "it is known: {code:?}");
        Ok(())
    })
    .await;
}

/// More data than the pipe and the buffers before it can hold.
async fn fill(client: &Client) -> Result<()> {
    let chunks = client.database("videos").collection::<Document>("fs.chunks");
    for n in 0..60 {
        chunks.insert_one(doc! { "n": n, "data": "x".repeat(1 << 20) }).await?;
    }
    // Created before the backup begins. Otherwise a read would fail for the new collection, not for the old
    // moment.
    client.database("elsewhere").collection::<Document>("numbers").insert_one(doc! {}).await?;
    Ok(())
}

fn gateway(mongodb_url: &str) -> Result<Command> {
    let mut command = Command::new(Service::Gateway.program()?);
    command.arg("backup").env_clear().env("MONGODB_URL", mongodb_url).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// The error of a backup that is read only after its moment was discarded.
async fn read_too_late(client: &Client, mongodb_url: &str) -> Result<String> {
    let mut backup = gateway(mongodb_url)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut output = backup.stdout.take().context("no output")?;
    let moment = moment(&mut output).await?;
    wait_until_forgotten(client, moment).await;
    tokio::io::copy(&mut output, &mut tokio::io::sink()).await?;
    let ended = backup.wait_with_output().await?;
    let said = String::from_utf8(ended.stderr)?;
    ensure!(!ended.status.success(), "it took a backup of several moments: {said}");
    Ok(said)
}

#[tokio::test]
async fn a_snapshot_window_that_is_too_short_is_named_with_what_to_set() -> Result<()> {
    let server = Running::<MongoDb>::start().await?;
    let client = Client::with_uri_str(server.url()).await?;
    fill(&client).await?;
    set_window(&client, 1).await?;

    let said = read_too_late(&client, &server.url()).await?;
    assert!(said.contains("minSnapshotHistoryWindowInSeconds is 1."), "{said}");
    assert!(said.contains("setParameter: 1, minSnapshotHistoryWindowInSeconds: 3600"), "{said}");

    // The documented account may not read the parameter, so the message gives the default.
    let roles = ["mixdown", "videos", "mp3s"].map(|name| ("readWrite", name.to_owned()));
    let url = account(&client, &server.url(), &roles).await?;
    let said = read_too_late(&client, &url).await?;
    assert!(said.contains("minSnapshotHistoryWindowInSeconds is 300 unless it was set"), "{said}");

    // With a long enough window, the reader's speed does not matter.
    set_window(&client, 300).await?;
    let mut backup = gateway(&url)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut output = backup.stdout.take().context("no output")?;
    moment(&mut output).await?;
    let later = client.database("videos").collection::<Document>("fs.chunks");
    later.insert_one(doc! { "_id": "later" }).await?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes).await?;
    let ended = backup.wait_with_output().await?;
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(!bytes.windows(5).any(|bytes| bytes == b"later"), "the backup is of several moments");
    let stored: Vec<Document> = later.find(doc! {}).await?.try_collect().await?;
    assert_eq!(stored.len(), 61);
    Ok(())
}

#[tokio::test]
async fn a_backup_that_the_server_forgot_leaves_no_folder() -> Result<()> {
    let server = Running::<MongoDb>::start().await?;
    let world = World::on(Plan::new().on_mongodb(&server.url())).await?;
    let [jobs, videos, _] = world.databases();
    jobs.collection::<Document>("more").insert_one(doc! { "_id": 1 }).await?;
    for n in 0..60 {
        let chunk = doc! { "files_id": 1, "n": n, "data": "x".repeat(1 << 20) };
        videos.collection::<Document>("more").insert_one(chunk).await?;
    }
    world.client.database("elsewhere").collection::<Document>("numbers").insert_one(doc! {}).await?;
    set_window(&world.client, 1).await?;

    // The gateway writes into a pipe that is read only after the moment was discarded.
    let (script, permission) = (world.folder.path().join("gateway"), world.folder.path().join("go-on"));
    let text = format!(
        r#"mkfifo '{fifo}'
        {{ head -c 4; until [ -e '{permission}' ]; do sleep 0.05; done; cat; }} <'{fifo}' &
        '{gateway}' "$@" >'{fifo}'
        status=$?
        wait
        exit $status"#,
        fifo = world.folder.path().join("fifo").display(),
        permission = permission.display(),
        gateway = Service::Gateway.program()?.display(),
    );
    crate::world::write_script(&script, &text)?;
    let mut backup = world.script("backup.sh", &world.backup())?;
    let begun = world.folder.path().join("backup.unfinished/mysql.sql.gz");
    let forget = async {
        wait_until("the backup has its moment", PATIENCE, async || begun.exists()).await;
        let now = jobs.run_command(doc! { "ping": 1 }).await?.get_timestamp("operationTime")?;
        wait_until_forgotten(&world.client, now).await;
        std::fs::write(&permission, "").context("could not let it go on")
    };
    let (ended, ()) = tokio::try_join!(run(backup.env("GATEWAY", &script)), forget)?;
    ended.failed_with("minSnapshotHistoryWindowInSeconds");
    assert!(!world.backup().exists());
    assert!(!world.folder.path().join("backup.unfinished").exists());
    Ok(())
}
