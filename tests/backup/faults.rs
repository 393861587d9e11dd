//! A failed backup or restore shows the tool's own error and changes nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command as StdCommand, Stdio};

use anyhow::{Context, Result, ensure};
use test_kit::services::Service;

use crate::world::{World, account, convert, run, write_script};

/// No backup exists, and no folder that looks like one.
fn assert_no_folder(world: &World) -> Result<()> {
    let left: Vec<_> = std::fs::read_dir(world.folder.path())?.collect::<Result<_, _>>()?;
    let left: Vec<_> =
        left.iter().filter(|entry| entry.file_name().to_string_lossy().starts_with("backup")).collect();
    ensure!(left.is_empty(), "there is {left:?}");
    Ok(())
}

#[tokio::test]
async fn a_backup_that_a_tool_refuses_shows_its_error_and_leaves_no_folder() -> Result<()> {
    let world = World::start().await?;
    let database_url = world.mixdown.system().database_url.clone();
    let (_, server) = database_url.split_once('@').context("no account")?;

    // MySQL fails while MongoDB is being dumped.
    let mut script = world.script("backup.sh", &world.backup())?;
    let ended = run(script.env("MYSQL_URL", format!("mysql://mixdown:wrong@{server}"))).await?;
    ended.failed_with("Access denied");
    ended.failed_with("MySQL was not dumped");
    assert_no_folder(&world)?;

    // MongoDB refuses: the account may read only one of three databases.
    let url = &world.mixdown.system().mongodb_url;
    let narrow =
        account(&world.client, url, &[("read", format!("{}mixdown", world.mixdown.prefix()))]).await?;
    let ended = run(world.script("backup.sh", &world.backup())?.env("MONGODB_URL", &narrow)).await?;
    ended.failed_with("not authorized");
    assert_no_folder(&world)?;

    // MongoDB is unreachable.
    let (_, place) = narrow.split_once('@').context("no account")?;
    let (_, rest) = place.split_once('/').context("no path")?;
    let away = format!("mongodb://mixdown:secret@127.0.0.1:1/{rest}");
    let ended = run(world.script("backup.sh", &world.backup())?.env("MONGODB_URL", &away)).await?;
    ended.failed_with("no backup was taken");
    assert_no_folder(&world)?;

    // The gateway prints nothing, and succeeds or fails.
    for silent in ["true", "false"] {
        let ended = run(world.script("backup.sh", &world.backup())?.env("GATEWAY", silent)).await?;
        ended.failed_with("backup: ");
        assert_no_folder(&world)?;
    }

    // The named folder has no mongodump.
    let mut script = world.script("backup.sh", &world.backup())?;
    let ended =
        run(script.env_remove("GATEWAY").env("MONGODB_TOOLS", "env PATH=/nowhere /bin/busybox-or-none"))
            .await?;
    ended.failed_with("busybox-or-none");
    assert_no_folder(&world)?;

    // mysqldump succeeds, but its output is cut off on the way.
    let folder = world.folder.path().join("bin");
    std::fs::create_dir(&folder)?;
    let real = test_kit::project::find_program("mysqldump")?;
    write_script(&folder.join("mysqldump"), &format!("'{}' \"$@\" | head -c 2000", real.display()))?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH")?);
    let ended = run(world.script("backup.sh", &world.backup())?.env("PATH", path)).await?;
    ended.failed_with("the dump of MySQL breaks off");
    assert_no_folder(&world)
}

#[tokio::test]
async fn a_backup_that_its_reader_leaves_or_that_has_no_room_fails() -> Result<()> {
    let world = World::start().await?;
    let user = world.mixdown.user().await?;
    convert(&user).await?;
    let gateway = Service::Gateway.program()?;
    for (output, expected) in [("| head -c 100", "Broken pipe"), (">/dev/full", "No space left")] {
        let text = format!("set -o pipefail; '{}' backup {output}", gateway.display());
        let mut command = tokio::process::Command::new("bash");
        command.args(["-c", &text]).env("MONGODB_URL", &world.mongodb_url);
        let ended = run(command.env("MONGODB_DATABASE_PREFIX", world.mixdown.prefix())).await?;
        ended.failed_with("could not write the backup");
        ended.failed_with(expected);
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_store_is_not_backed_up() -> Result<()> {
    let world = World::start().await?;
    let mut script = world.script("backup.sh", &world.backup())?;
    let admin = &world.mixdown.system().mongodb_url;
    let ended = run(script.env("MONGODB_URL", admin).env("MONGODB_DATABASE_PREFIX", "mistyped_")).await?;
    ended.failed_with("no collections in mistyped_mixdown, mistyped_videos, mistyped_mp3s");
    assert_no_folder(&world)
}

fn gunzip(path: &Path) -> Result<Vec<u8>> {
    let output = StdCommand::new("gunzip").arg("--stdout").arg(path).output()?;
    ensure!(output.status.success(), "gunzip failed");
    Ok(output.stdout)
}

fn gzip(bytes: &[u8], path: &Path) -> Result<()> {
    let file = std::fs::File::create(path)?;
    let mut child = StdCommand::new("gzip").stdin(Stdio::piped()).stdout(file).spawn()?;
    child.stdin.take().context("no pipe")?.write_all(bytes)?;
    ensure!(child.wait()?.success(), "gzip failed");
    Ok(())
}

/// A stopped Mixdown with a backup that lacks its last conversion.
async fn outdated_backup() -> Result<World> {
    let mut world = World::start().await?;
    let user = world.mixdown.user().await?;
    convert(&user).await?;
    world.take_backup().await?;
    convert(&user).await?;
    world.stop_services().await?;
    Ok(world)
}

/// A kind of damage to a backup: its name, the file, and the change.
type Damage = (&'static str, &'static str, fn(&[u8]) -> Vec<u8>);

const DAMAGES: [Damage; 8] = [
    ("mongodb.backup", "its last byte is gone", |bytes| bytes[..bytes.len() - 1].to_vec()),
    ("mongodb.backup", "its second half is gone", |bytes| bytes[..bytes.len() / 2].to_vec()),
    ("mongodb.backup", "it is empty", |_| Vec::new()),
    ("mongodb.backup", "one bit is another", |bytes| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        bytes
    }),
    ("mongodb.backup", "it is another file", |_| b"-- MariaDB dump 10.19".to_vec()),
    ("mysql.sql.gz", "its last byte is gone", |bytes| bytes[..bytes.len() - 1].to_vec()),
    ("mysql.sql.gz", "one bit is another", |bytes| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        bytes
    }),
    ("mysql.sql.gz", "it is empty", |_| Vec::new()),
];

#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_is_changed() -> Result<()> {
    let world = outdated_backup().await?;
    let before = world.fingerprint().await?;

    let assert_refused = async |what: &str| {
        let ended = run(&mut world.script("restore.sh", &world.backup())?).await?;
        assert!(!ended.is_success, "{what}: {}", ended.said);
        assert!(ended.said.contains("nothing was changed"), "{what}: {}", ended.said);
        assert_eq!(world.fingerprint().await?, before, "{what}");
        anyhow::Ok(())
    };
    for (name, what, damage) in DAMAGES {
        let path = world.backup().join(name);
        let whole = std::fs::read(&path)?;
        std::fs::write(&path, damage(&whole))?;
        assert_refused(&format!("{name}: {what}")).await?;
        if name == "mongodb.backup" {
            // Checked by `restore` itself, even if nothing was checked before.
            let mut restore = world.gateway("restore")?;
            let ended = run(restore.stdin(std::fs::File::open(&path)?)).await?;
            ended.failed_with("nothing was changed");
            assert_eq!(world.fingerprint().await?, before, "{name}: {what}");
            assert_eq!(world.left_of_restores().await?, 0, "{name}: {what}");
        }
        std::fs::write(&path, whole)?;
    }
    // The gzip file is whole, but the dump in it is not.
    let path = world.backup().join("mysql.sql.gz");
    let text = gunzip(&path)?;
    gzip(&text[..text.len() / 2], &path)?;
    assert_refused("the dump of MySQL is half").await?;
    gzip(&text, &path)?;
    world.restore().await?;
    assert_ne!(world.fingerprint().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_restore_that_finds_a_server_away_or_unwilling_changes_nothing() -> Result<()> {
    let world = outdated_backup().await?;
    let before = world.fingerprint().await?;

    let mut script = world.script("restore.sh", &world.backup())?;
    let ended = run(script.env("MYSQL_URL", "mysql://mixdown:wrong@127.0.0.1:1/mixdown")).await?;
    ended.failed_with("MySQL does not answer; nothing was changed");
    assert_eq!(world.fingerprint().await?, before);

    let roles =
        ["mixdown", "videos", "mp3s"].map(|name| ("read", format!("{}{name}", world.mixdown.prefix())));
    let reader = account(&world.client, &world.mixdown.system().mongodb_url, &roles).await?;
    let ended = run(world.script("restore.sh", &world.backup())?.env("MONGODB_URL", reader)).await?;
    ended.failed_with("not authorized");
    assert!(ended.said.contains("MySQL is as it was"), "{}", ended.said);
    assert_eq!(world.fingerprint().await?, before);
    Ok(())
}
