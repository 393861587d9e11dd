//! Everything is lost and restored.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use contracts::{JobId, JobStatus};
use mongodb::bson::{Bson, Document, doc};
use reqwest::{Method, StatusCode};
use serde_json::json;
use test_kit::inbox::Inbox;
use test_kit::mixdown::{Form, User};
use test_kit::services::Service;
use test_kit::{unique_name, wait_until};
use tokio::process::Command;

use crate::world::{PATIENCE, World, convert, run, sign_in, write_script};

/// A gateway that stops in the middle of a backup, after its first bytes, until it may continue.
struct SlowGateway {
    command: String,
    permission: std::path::PathBuf,
}

impl SlowGateway {
    fn new(world: &World) -> Result<Self> {
        let (script, permission) = (world.folder.path().join("gateway"), world.folder.path().join("go-on"));
        let gateway = Service::Gateway.program()?;
        let text = format!(
            r#"[ "$1" = backup ] || exec '{gateway}' "$@"
            '{gateway}' "$@" | {{
                head -c 10
                until [ -e '{permission}' ]; do sleep 0.05; done
                cat
            }}"#,
            gateway = gateway.display(),
            permission = permission.display(),
        );
        write_script(&script, &text)?;
        Ok(Self { command: script.display().to_string(), permission })
    }

    fn go_on(&self) -> Result<()> {
        std::fs::write(&self.permission, "")?;
        Ok(())
    }
}

/// Uploads one file after another until told to stop.
async fn keep_uploading(user: &User, is_over: &AtomicBool) -> Result<Vec<JobId>> {
    let mut jobs = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let job = user.submit(Form::default().file("b.mp4", b"no video, but a file")).await?;
        jobs.push(user.wait_for_outcome(job.id).await.id);
    }
    Ok(jobs)
}

/// Backs up during uploads. More is uploaded after the backup's moment than before it. Returns a job of that
/// time.
async fn back_up_under_load(world: &World, user: &User, other: &User) -> Result<JobId> {
    let slow = SlowGateway::new(world)?;
    let mut script = world.script("backup.sh", &world.backup())?;
    let is_over = AtomicBool::new(false);
    let begun = world.folder.path().join("backup.unfinished/mysql.sql.gz");
    let backup = async {
        let ended = run(script.env("GATEWAY", &slow.command)).await;
        is_over.store(true, Ordering::Relaxed);
        ended?.succeeded("the backup")
    };
    let late = async {
        // MySQL is dumped after MongoDB's moment.
        wait_until("the backup has its moment", PATIENCE, async || begun.exists()).await;
        let (late, _) = convert(user).await?;
        slow.go_on()?;
        Ok(late.id)
    };
    let (said, late, meanwhile) = tokio::try_join!(backup, late, keep_uploading(other, &is_over))?;
    ensure!(!meanwhile.is_empty(), "nothing was uploaded meanwhile");
    ensure!(said.contains("Dumping MongoDB by"), "it does not say by what: {said}");
    Ok(late)
}

#[tokio::test]
async fn what_was_there_before_a_backup_comes_back_and_works() -> Result<()> {
    let mut world = World::start().await?;
    let mut user = world.mixdown.user().await?;
    let other = world.mixdown.user().await?;
    let long = test_kit::media::long_video(std::time::Duration::from_mins(5)).await?;
    let long = user.upload(&long).await?;
    let (early, audio) = convert(&user).await?;
    let long = user.wait_for_outcome(long.id).await;
    let long_audio = user.download(&long).await?;
    let before: Vec<JobId> = user.jobs().await?.iter().map(|job| job.id).collect();

    let late = back_up_under_load(&world, &user, &other).await?;
    world.stop_services().await?;
    world.wipe().await?;
    world.restore().await?;
    // The late job's audio was stored before the backup reached the audio files.
    assert_eq!(world.ids(2, "fs.files").await?.len(), 2, "files and jobs are of two moments");
    world.start_services().await?;

    sign_in(&mut user).await?;
    let after: Vec<JobId> = user.jobs().await?.iter().map(|job| job.id).collect();
    assert_eq!(after, before, "the restored jobs are others");
    assert!(!after.contains(&late), "the backup is of no one moment");
    assert!(user.download(&early).await? == audio, "the restored audio is another");
    assert!(user.download(&long).await? == long_audio, "the restored long audio is another");
    convert(&user).await?;
    // Jobs that were running at the moment end with an outcome. Their files are not videos.
    wait_until("every job of the backup has an outcome", PATIENCE, async || {
        let mut other = other.clone();
        sign_in(&mut other).await?;
        let jobs = other.jobs().await?;
        ensure!(jobs.iter().all(|job| job.status == JobStatus::Failed), "not yet: {jobs:?}");
        Ok(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_restore_puts_the_backup_in_place_of_what_came_later() -> Result<()> {
    let mut world = World::start().await?;
    let mut user = world.mixdown.user().await?;
    let (job, audio) = convert(&user).await?;
    let gateway = world.mixdown.service(Service::Gateway)?;
    gateway.stop().await;
    world.take_backup().await?;
    let taken = world.fingerprint().await?;

    world.start_services().await?;
    let late = world.mixdown.user().await?;
    convert(&late).await?;
    user.delete(&format!("/jobs/{}", job.id)).await?.error_for_status()?;
    world.stop_services().await?;
    // Collections of a newer release, which the backup does not contain.
    let [jobs, ..] = world.databases();
    jobs.create_collection("of_a_newer_release").await?;
    world.mysql("CREATE TABLE of_a_newer_release (id INT PRIMARY KEY)").await?;
    world.restore().await?;

    assert_eq!(world.fingerprint().await?, taken);
    assert_eq!(world.left_of_restores().await?, 0);
    world.start_services().await?;
    sign_in(&mut user).await?;
    assert!(user.download(&job).await? == audio);
    assert_eq!(late.log_in().await?.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}

/// A `mysqldump` on its own PATH that waits for permission to start.
fn late_mysqldump(world: &World, script: &mut Command) -> Result<(std::path::PathBuf, std::path::PathBuf)> {
    let folder = world.folder.path().join("bin");
    std::fs::create_dir(&folder)?;
    let (begun, permission) = (folder.join("begun"), folder.join("permission"));
    let real = test_kit::project::find_program("mysqldump")?;
    let text = format!(
        r#"case "$*" in *--single-transaction*)
            touch '{begun}'
            until [ -e '{permission}' ]; do sleep 0.05; done
        esac
        exec '{real}' "$@""#,
        begun = begun.display(),
        permission = permission.display(),
        real = real.display(),
    );
    write_script(&folder.join("mysqldump"), &text)?;
    let path = std::env::var("PATH")?;
    script.env("PATH", format!("{}:{path}", folder.display()));
    Ok((begun, permission))
}

/// Erases one account and changes the address of another, after MongoDB's moment and before MySQL's.
async fn leave_and_move(world: &World, goes: &User, moves: &User) -> Result<()> {
    let password = json!({ "password": goes.password });
    goes.request(Method::DELETE, "/me").json(&password).send().await?.error_for_status()?;
    let address = format!("{}@example.org", unique_name("moved"));
    let body = json!({ "email": address, "password": moves.password });
    moves.request(Method::POST, "/me/email").json(&body).send().await?.error_for_status()?;
    let mail = Inbox::shared().wait_for_mail(&address, PATIENCE).await;
    moves.verify(mail.token().context("no token")?).await?;
    wait_until("the account is erased", PATIENCE, async || {
        let rows = world.mysql("SELECT COUNT(*) FROM erased_accounts").await?;
        ensure!(rows.trim() == "1" && world.ids(0, "jobs").await?.len() == 1, "not yet");
        Ok(())
    })
    .await;
    // The backup is restored much later.
    for (table, column) in [("erased_accounts", "erased_at"), ("address_changes", "changed_at")] {
        world.mysql(&format!("UPDATE {table} SET {column} = {column} - INTERVAL 40 HOUR")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn accounts_that_are_erased_or_move_during_a_backup_have_done_so_in_the_restored_system() -> Result<()>
{
    let mut world = World::start().await?;
    let (moves, goes) = (world.mixdown.user().await?, world.mixdown.user().await?);
    let (kept, _) = convert(&moves).await?;
    convert(&goes).await?;
    let mut script = world.script("backup.sh", &world.backup())?;
    let (begun, permission) = late_mysqldump(&world, &mut script)?;
    let meanwhile = async {
        wait_until("MySQL's turn has come", PATIENCE, async || begun.exists()).await;
        leave_and_move(&world, &goes, &moves).await?;
        std::fs::write(&permission, "").context("could not let it go on")
    };
    let (ended, ()) = tokio::try_join!(run(&mut script), meanwhile)?;
    ended.succeeded("the backup")?;

    world.stop_services().await?;
    world.wipe().await?;
    world.restore().await?;
    for (table, column) in [("erased_accounts", "erased_at"), ("address_changes", "changed_at")] {
        let told = format!("SELECT COUNT(*) FROM {table} WHERE {column} > UTC_TIMESTAMP() - INTERVAL 1 HOUR");
        assert_eq!(world.mysql(&told).await?.trim(), "1", "{table}");
    }
    assert_eq!(world.ids(0, "jobs").await?.len(), 2, "the job was not in the backup");
    let [jobs, ..] = world.databases();
    let jobs = jobs.collection::<Document>("jobs");
    let old_address = doc! { "owner.email": &moves.email };
    assert_eq!(jobs.count_documents(old_address.clone()).await?, 1, "the old address was not in the backup");

    world.start_services().await?;
    wait_until("the jobs are as the accounts are", PATIENCE, async || {
        let left = jobs.count_documents(doc! {}).await?;
        let old = jobs.count_documents(old_address.clone()).await?;
        ensure!((left, old) == (1, 0), "there are {left} jobs, {old} with an old address");
        Ok(())
    })
    .await;
    assert_eq!(world.ids(0, "jobs").await?, [Bson::from(kept.id.to_string())]);
    Ok(())
}
