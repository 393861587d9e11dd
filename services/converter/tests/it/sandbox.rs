//! FFmpeg's confinement, and that the converter does not start without it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use contracts::{ConversionOptions, JobStatus};
use converter::sandbox::Layer;
use rustix::process::{Pid, Signal, kill_process};
use test_kit::media::Sample;
use test_kit::wait_until;

use crate::SOON;
use crate::bench::{Bench, LAUNCHER, has_process_in, processes_in};
use crate::hostile::Canary;
use crate::media::Workshop;
use crate::world::{World, long_video};

#[tokio::test]
async fn every_layer_holds() {
    let bench = Bench::new();
    let findings = bench.engine.check_sandbox(&bench.space.begin_job().unwrap()).await.unwrap();
    let layers: Vec<_> = findings.iter().map(|finding| finding.layer).collect();
    assert_eq!(layers, [Layer::Files, Layer::SystemCalls, Layer::Resources, Layer::Lifetime]);
    for finding in findings {
        assert_eq!(finding.hole, None, "{:?}", finding.layer);
    }
}

/// A launcher without any confinement.
fn careless_launcher(workshop: &Workshop) -> PathBuf {
    let path = workshop.path("careless");
    let script = format!("#!/bin/sh\n[ \"$1\" = confine ] || exec {LAUNCHER} \"$@\"\nshift 2\nexec \"$@\"\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_converter_that_cannot_confine_ffmpeg_does_not_start() {
    let (mut world, workshop) = (World::new().await, Workshop::new());
    world.config.engine.launcher = careless_launcher(&workshop);
    let error = format!("{:#}", world.converter().await.failed().await);
    for layer in [Layer::Files, Layer::SystemCalls, Layer::Resources, Layer::Lifetime] {
        assert!(error.contains(layer.name()) && error.contains(layer.needs()), "{error}");
    }
    assert!(error.contains("ALLOW_UNSANDBOXED_FFMPEG"), "{error}");
}

#[tokio::test]
async fn a_converter_that_may_go_without_says_what_is_missing() {
    let (mut world, workshop) = (World::new().await, Workshop::new());
    world.config.engine.launcher = careless_launcher(&workshop);
    world.config.engine.allow_unsandboxed_ffmpeg = true;
    let converter = world.converter().await;
    let (id, _) = world.submit(&Sample::Mp4.bytes(Duration::from_secs(2)).await).await;
    world.becomes(id, JobStatus::Converted).await;
    let report = reqwest::get(format!("{}/readyz", converter.admin_url)).await.unwrap().text().await.unwrap();
    assert!(report.contains("ffmpeg is confined by: nothing; NOT by files (Landlock), "), "{report}");
}

#[tokio::test]
async fn the_admin_port_says_which_layers_hold() {
    let world = World::new().await;
    let converter = world.converter().await;
    let readyz = format!("{}/readyz", converter.admin_url);
    let report = wait_until("it is ready", SOON, async || {
        let answer = reqwest::get(&readyz).await.map_err(|error| error.to_string())?;
        if answer.status() == 200 {
            Ok(answer.text().await.unwrap())
        } else {
            Err(answer.status().to_string())
        }
    })
    .await;
    assert!(
        report.contains(
            "ffmpeg is confined by: files (Landlock), system calls (seccomp), resources (rlimits), lifetime (parent-death signal)\n"
        ),
        "{report}"
    );
}

/// FFmpeg as the engine starts it, but without any list of allowed formats and decoders.
fn gullible_ffmpeg(directory: &Path, arguments: &[&str]) -> Output {
    confined(directory, "/usr/bin/ffmpeg", &["source"])
        .args(["-v", "error", "-nostdin", "-y"])
        .args(["-protocol_whitelist", "file,concat,subfile,http,tcp,udp,rtp,crypto,data"])
        .args(arguments)
        .args(["-f", "mp3", "out.mp3"])
        .output()
        .unwrap()
}

/// A program started like FFmpeg: it may read these files and write `out.mp3`.
fn confined(directory: &Path, program: &str, reads: &[&str]) -> Command {
    let parent = std::process::id();
    let limits = r#"{"processor_seconds":60,"file_bytes":100000000,"memory_bytes":1073741824}"#;
    let confinement = format!(
        r#"{{"parent":{parent},"is_strict":true,"limits":{limits},"reads":{reads:?},"writes":"out.mp3"}}"#
    );
    let mut command = Command::new(LAUNCHER);
    command.args(["confine", &confinement, program]).env_clear().current_dir(directory);
    command
}

/// Tries every way in which a descriptor, a timer or a number can name the process that gets a signal. For an
/// allowed command with wrong arguments, the kernel returns another error than for a command that does not
/// exist.
#[test]
fn no_system_call_sends_a_signal_to_another_process() {
    let job = tempfile::tempdir().unwrap();
    std::fs::write(job.path().join("out.mp3"), "").unwrap();
    // The script is an argument, not a file: to open a script file, Python needs more system calls than
    // FFmpeg.
    let output = confined(job.path(), "/usr/bin/python3", &[])
        .args(["-I", "-S", "-c", include_str!("signals.py")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.ends_with(": refused")).count(), 11, "{said}");
    assert_eq!(said.lines().filter(|line| line.ends_with(": allowed")).count(), 4, "{said}");
    assert_eq!(said.lines().count(), 15, "{said}");
}

#[test]
fn ffmpeg_that_believes_everything_reaches_nothing_all_the_same() {
    let workshop = Workshop::new();
    let canary = Canary::new(&workshop);
    let job = tempfile::tempdir().unwrap();
    let run = |source: &str, arguments: &[&str]| {
        std::fs::write(job.path().join("source"), source).unwrap();
        std::fs::write(job.path().join("out.mp3"), "").unwrap();
        gullible_ffmpeg(job.path(), arguments)
    };
    let hls =
        |target: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n");
    let (file, http) = (canary.file("ts"), canary.http());
    let concat = format!("ffconcat version 1.0\nfile '{file}'\n");
    for (source, arguments, refusal) in [
        (hls(&file), &["-i", "source"][..], "Error when loading first segment"),
        (concat, &["-f", "concat", "-safe", "0", "-i", "source"], "Permission denied"),
        (hls(&http), &["-i", "source"], "Error when loading first segment"),
        (String::new(), &["-i", &file], "Permission denied"),
        (String::new(), &["-i", &http], "Function not implemented"),
        (String::new(), &["-i", "/etc/passwd"], "Permission denied"),
        (String::new(), &["-i", "/proc/self/environ"], "Permission denied"),
    ] {
        let output = run(&source, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(refusal), "{arguments:?} {source}: {said}");
        assert_eq!(std::fs::metadata(job.path().join("out.mp3")).unwrap().len(), 0, "{arguments:?} {source}");
        assert_eq!(canary.touched(), None, "{arguments:?} {source}");
    }
    // The confinement is what refuses: without it, FFmpeg follows the same playlist.
    std::fs::write(job.path().join("source"), hls(&file)).unwrap();
    let free = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-protocol_whitelist", "file", "-i", "source", "free.mp3"])
        .current_dir(job.path())
        .status();
    assert!(free.unwrap().success());
    assert_eq!(canary.touched(), Some("the file"));
}

#[tokio::test]
async fn a_job_that_is_deleted_while_ffmpeg_hangs_ends_within_two_seconds() {
    let world = World::new().await;
    let _converter = world.converter().await;
    let (id, owner) = world.submit(&long_video()).await;
    world.is_half_done(id).await;
    // A hung FFmpeg makes no progress, and progress is what makes the converter read the job.
    for pid in processes_in(&world.scratch_dir()) {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let deleted = Instant::now();
    world.jobs.delete(owner, id).await.unwrap();
    wait_until("FFmpeg is gone", SOON, async || !has_process_in(&world.scratch_dir())).await;
    assert!(deleted.elapsed() < Duration::from_secs(2), "{:?}", deleted.elapsed());
}

#[tokio::test]
async fn a_name_is_only_a_name() {
    let world = World::new().await;
    let _converter = world.converter().await;
    let video = Sample::Mp4.bytes(Duration::from_secs(1)).await;
    let long = "ä".repeat(150);
    for name in [
        "../../../../etc/cron.d/x.mp4",
        "/etc/passwd",
        "a'b\"c`d$(touch x).mp4",
        "a\r\nSet-Cookie: x=y\r\n.mp4",
        "\u{202e}4pm.exe",
        "concat:a|b.mp4",
        "-i",
        "%d%s%n.mp4",
        "\0.mp4",
        &long,
    ] {
        let id = world.submit_named(name, &video, ConversionOptions::default()).await;
        let job = world.becomes(id, JobStatus::Converted).await;
        assert!((job.audio.unwrap().duration_seconds - 1.0).abs() < 0.1, "{name:?}");
    }
    let left: Vec<_> = walk(&world.scratch_dir()).into_iter().filter(|name| name != "lock").collect();
    assert!(left.iter().all(|name| name.starts_with("converter-") || name.starts_with("job-")), "{left:?}");
}

fn walk(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            let below = if entry.path().is_dir() { walk(&entry.path()) } else { Vec::new() };
            [vec![entry.file_name().to_string_lossy().into_owned()], below].concat()
        })
        .collect()
}
