//! Backup and restore with MongoDB's own tools, if they are on the PATH.

use std::io::Write as _;

use anyhow::Result;
use test_kit::mixdown::Plan;
use test_kit::project::find_program;
use test_kit::servers::{MongoDb, Running, Server as _};

use crate::world::{World, account, convert, run, sign_in};

/// Printed past the test's captured output: the reader of a passed run must learn that this test did not run.
fn say_that_it_was_not_tried(test: &str) -> Result<()> {
    writeln!(std::io::stderr(), "{test}: NOT TRIED, there is no mongodump or no mongorestore on the PATH")?;
    Ok(())
}

fn is_there() -> bool {
    find_program("mongodump").is_ok() && find_program("mongorestore").is_ok()
}

#[tokio::test]
async fn a_backup_by_mongodump_restores() -> Result<()> {
    if !is_there() {
        return say_that_it_was_not_tried("a_backup_by_mongodump_restores");
    }
    // A server of its own, because such a backup contains all databases of a server.
    let server = Running::<MongoDb>::start().await?;
    let mut world = World::on(Plan::new().on_mongodb(&server.url())).await?;
    let mut user = world.mixdown.user().await?;
    let (job, audio) = convert(&user).await?;

    // The services' own account is refused, with the reason.
    let mut script = world.script("backup.sh", &world.backup())?;
    let refused = run(script.env_remove("GATEWAY")).await?;
    refused.failed_with("not authorized");
    assert!(!world.backup().exists() && !world.folder.path().join("backup.unfinished").exists());

    // With the role restore alone, the changes in the oplog are refused.
    let mut roles = vec![("backup", "admin".to_owned()), ("restore", "admin".to_owned())];
    roles.extend(world.databases().map(|database| ("readWrite", database.name().to_owned())));
    let operator = account(&world.client, &server.url(), &roles).await?;
    let mut script = world.script("backup.sh", &world.backup())?;
    script.env_remove("GATEWAY").env("MONGODB_URL", &operator);
    let meanwhile = async {
        convert(&world.mixdown.user().await?).await?;
        Ok(())
    };
    let (ended, ()) = tokio::try_join!(run(&mut script), meanwhile)?;
    ended.succeeded("the backup")?;

    world.stop_services().await?;
    let before = world.fingerprint().await?;
    let path = world.backup().join("mongodb.archive.gz");
    let whole = std::fs::read(&path)?;
    for damaged in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &[]] {
        std::fs::write(&path, damaged)?;
        let mut restore = world.script("restore.sh", &world.backup())?;
        let refused = run(restore.env_remove("GATEWAY").env("MONGODB_URL", &operator)).await?;
        refused.failed_with("nothing was changed");
        assert_eq!(world.fingerprint().await?, before);
    }
    std::fs::write(&path, whole)?;
    world.wipe().await?;
    let mut restore = world.script("restore.sh", &world.backup())?;
    let ended = run(restore.env_remove("GATEWAY").env("MONGODB_URL", &operator)).await?;
    ended.succeeded("the restore")?;
    world.start_services().await?;
    sign_in(&mut user).await?;
    assert!(user.jobs().await?.iter().any(|found| found.id == job.id));
    assert!(user.download(&job).await? == audio);
    convert(&user).await?;
    Ok(())
}
