//! A restore that is interrupted.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mongodb::bson::{Document, doc};
use test_kit::mixdown::{Plan, User};
use test_kit::servers::{MongoDb, Running, Server as _};
use test_kit::services::Service;
use test_kit::wait_until;
use tokio::io::AsyncWriteExt as _;

use crate::world::{PATIENCE, World, convert, run, sign_in};

/// The message about a half-restored store.
const SAID: &str = "a restore was interrupted";

#[tokio::test]
async fn a_restore_that_is_killed_leaves_what_was_there_and_can_be_repeated() -> Result<()> {
    let mut world = World::start().await?;
    let mut user = world.mixdown.user().await?;
    convert(&user).await?;
    world.take_backup().await?;
    let (late, audio) = convert(&user).await?;
    world.stop_services().await?;
    let before = world.fingerprint().await?;

    let backup = std::fs::read(world.backup().join("mongodb.backup"))?;
    let mut restore = world.gateway("restore")?.stdin(Stdio::piped()).spawn()?;
    let mut input = restore.stdin.take().context("no pipe")?;
    // Everything except the end. Without it, the restore cannot know that the backup is whole.
    input.write_all(&backup[..backup.len() - 20]).await?;
    let fills = async || world.left_of_restores().await.is_ok_and(|left| left > 12);
    wait_until("documents are being restored", PATIENCE, fills).await;
    restore.kill().await?;
    drop(input);

    let mut after = world.fingerprint().await?;
    after.retain(|name, _| !name.contains(".restoring."));
    assert_eq!(after, before);
    // Its remains do no harm.
    world.start_services().await?;
    sign_in(&mut user).await?;
    assert!(user.download(&late).await? == audio);
    world.stop_services().await?;
    world.restore().await?;
    assert_eq!(world.left_of_restores().await?, 0);
    world.start_services().await?;
    assert_is_as_in_the_backup(&mut user, 1).await
}

#[tokio::test]
async fn a_restore_whose_server_dies_leaves_what_was_there() -> Result<()> {
    let mut server = Running::<MongoDb>::start().await?;
    let mut world = World::on(Plan::new().on_mongodb(&server.url())).await?;
    let mut user = world.mixdown.user().await?;
    convert(&user).await?;
    world.take_backup().await?;
    convert(&user).await?;
    world.stop_services().await?;
    let before = world.fingerprint().await?;

    let backup = std::fs::read(world.backup().join("mongodb.backup"))?;
    let mut restore = world.gateway("restore")?.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = restore.stdin.take().context("no pipe")?;
    input.write_all(&backup[..backup.len() - 20]).await?;
    let fills = async || world.left_of_restores().await.is_ok_and(|left| left > 12);
    wait_until("documents are being restored", PATIENCE, fills).await;
    server.kill_hard().await;
    input.write_all(&backup[backup.len() - 20..]).await?;
    drop(input);
    let ended = restore.wait_with_output().await?;
    ensure!(!ended.status.success(), "it restored without a server");
    let said = String::from_utf8(ended.stderr)?;
    assert!(said.contains("the restore failed") && !said.contains("nothing was changed"), "{said}");

    server.restart().await?;
    let mut after = wait_until("the server is back", PATIENCE, async || world.fingerprint().await).await;
    after.retain(|name, _| !name.contains(".restoring"));
    assert_eq!(after, before);
    world.restore().await?;
    world.start_services().await?;
    assert_is_as_in_the_backup(&mut user, 1).await
}

async fn assert_is_as_in_the_backup(user: &mut User, jobs: usize) -> Result<()> {
    sign_in(user).await?;
    let found = user.jobs().await?;
    ensure!(found.len() == jobs, "there are other jobs: {found:?}");
    for job in &found {
        user.download(job).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_half_restored_is_neither_served_nor_backed_up() -> Result<()> {
    let mut world = World::start().await?;
    let mut user = world.mixdown.user().await?;
    convert(&user).await?;
    world.take_backup().await?;
    world.stop_services().await?;
    // The state after a kill between two collections.
    let [jobs, videos, _] = world.databases();
    jobs.collection::<Document>("restoring").insert_one(doc! { "_id": "unfinished" }).await?;
    videos.collection::<Document>("fs.files").drop().await?;

    let refused = world.mixdown.service(Service::Gateway)?.restart().await;
    ensure!(refused.is_err(), "the gateway serves it");
    assert!(world.mixdown.log(Service::Gateway)?.contains(SAID));
    let mut again = world.script("backup.sh", &world.folder.path().join("backup-2"))?;
    run(&mut again).await?.failed_with(SAID);

    world.restore().await?;
    assert_eq!(world.left_of_restores().await?, 0);
    world.start_services().await?;
    assert_is_as_in_the_backup(&mut user, 1).await
}

#[tokio::test]
async fn a_restore_whose_mysql_fails_behind_mongodb_says_so_and_can_be_repeated() -> Result<()> {
    let mut world = World::start().await?;
    let mut user = world.mixdown.user().await?;
    convert(&user).await?;
    world.take_backup().await?;
    world.stop_services().await?;
    world.wipe().await?;
    // A whole dump that MySQL refuses.
    let path = world.backup().join("mysql.sql.gz");
    let whole = std::fs::read(&path)?;
    let refused = "printf 'CREATE NONSENSE;\\n-- Dump completed\\n' | gzip >\"$0\"";
    let made = tokio::process::Command::new("sh").args(["-c", refused]).arg(&path).status().await?;
    ensure!(made.success(), "could not make the dump");
    let ended = run(&mut world.script("restore.sh", &world.backup())?).await?;
    ended.failed_with("You have an error in your SQL syntax");
    ended.failed_with("MongoDB is restored, but MySQL is not: restore again");

    std::fs::write(&path, whole)?;
    world.restore().await?;
    world.start_services().await?;
    assert_is_as_in_the_backup(&mut user, 1).await
}
