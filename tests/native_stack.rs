//! The `stack` program as users run it: `up`, `down`, `status` and `run` in a folder of their own.
//!
//! Needs the program and the four services beside it: `cargo build --release --bins`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use test_kit::process::strays;
use test_kit::project::{Project, built_program};
use test_kit::wait_until;

/// The program, without arguments.
fn program() -> Result<Command> {
    Ok(Command::new(built_program("stack")?))
}

/// A stack that is stopped when the test ends, even if the test fails.
struct Stack(TempDir);

impl Stack {
    fn new() -> Result<Self> {
        Ok(Self(TempDir::new()?))
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, subcommand: &str) -> Result<Output> {
        Ok(program()?.arg("--folder").arg(self.folder()).arg(subcommand).output()?)
    }

    fn succeed(&self, subcommand: &str) -> Result<String> {
        let output = self.command(subcommand)?;
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "stack {subcommand}: {}\n{text}", output.status);
        Ok(text)
    }

    /// Like `make status | head -0`: the output is not read.
    fn succeed_unread(&self, subcommand: &str) -> Result<()> {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let mut command = program()?;
        command.arg("--folder").arg(self.folder()).arg(subcommand).stdout(writer);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.is_empty(), "stack {subcommand}: {}\n{said}", output.status);
        Ok(())
    }

    /// The process numbers in the stack's record.
    fn pids(&self) -> Result<BTreeMap<String, i32>> {
        let state: serde_json::Value = serde_json::from_slice(&fs::read(self.folder().join("state.json"))?)?;
        let processes = state["processes"].as_object().context("no processes")?;
        processes
            .iter()
            .map(|(part, entry)| {
                let pid = entry["identity"]["pid"].as_i64().context("no pid")?;
                Ok((part.clone(), i32::try_from(pid)?))
            })
            .collect()
    }

    fn has_processes(&self) -> bool {
        !strays(self.folder(), &[]).is_empty()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.succeed("down") {
            eprintln!("{error:#}");
        }
    }
}

fn kill(pid: i32) -> Result<()> {
    Ok(kill_process(Pid::from_raw(pid).context("no such number")?, Signal::KILL)?)
}

#[test]
fn up_repairs_what_crashed_and_leaves_the_rest_alone() -> Result<()> {
    let stack = Stack::new()?;
    stack.succeed("up")?;
    let first = stack.pids()?;
    assert_eq!(first.len(), 8, "{first:?}");
    stack.succeed("status")?;
    stack.succeed_unread("status")?;

    stack.succeed("up")?;
    assert_eq!(stack.pids()?, first, "a second `up` changed something");

    for part in ["gateway", "mongodb"] {
        kill(first[part])?;
    }
    assert!(!stack.command("status")?.status.success(), "a crash went unnoticed");
    stack.succeed("up")?;
    stack.succeed("status")?;
    for (part, pid) in stack.pids()? {
        let crashed = part == "gateway" || part == "mongodb";
        assert_eq!(pid != first[&part], crashed, "{part}");
    }

    stack.succeed_unread("down")?;
    assert!(!stack.has_processes());
    Ok(())
}

#[tokio::test]
async fn an_interrupted_up_is_continued_by_the_next() -> Result<()> {
    let stack = Stack::new()?;
    let mut up = program()?.arg("--folder").arg(stack.folder()).arg("up").spawn()?;
    wait_until("it has begun", Duration::from_secs(20), async || stack.has_processes()).await;
    up.kill()?;
    up.wait()?;

    stack.succeed("up")?;
    stack.succeed("status")?;
    stack.succeed("down")?;
    assert!(!stack.has_processes());
    Ok(())
}

#[test]
fn down_spares_a_stranger_that_got_a_remembered_process_number() -> Result<()> {
    let stack = Stack::new()?;
    let mut stranger = Command::new("sleep").arg("60").spawn()?;
    // As if the machine had restarted and the kernel had given the number to another process.
    let entry = serde_json::json!({
        "identity": { "pid": stranger.id(), "started_ticks": 1, "boot": "another" },
        "launch": { "program": "/bin/sleep", "arguments": [], "environment": {} },
        "program": { "bytes": 1, "modified_seconds": 1, "modified_nanoseconds": 1 },
        "started_at": 1,
    });
    let state = serde_json::json!({ "ports": {}, "processes": { "gateway": entry } });
    fs::write(stack.folder().join("state.json"), state.to_string())?;

    stack.succeed("down")?;
    assert!(stranger.try_wait()?.is_none(), "it was stopped");
    stranger.kill()?;
    stranger.wait()?;
    Ok(())
}

#[test]
fn run_gives_the_command_its_servers_and_passes_its_exit_code_on() -> Result<()> {
    let report = TempDir::new()?;
    let script =
        r#"echo "$MIXDOWN_STACK" >"$0/home"; test -n "$MIXDOWN_TEST_MYSQL_URL" && sleep 300 & exit 7"#;
    let status = program()?.args(["run", "--", "sh", "-c", script]).arg(report.path()).status()?;
    assert_eq!(status.code(), Some(7));
    let home = fs::read_to_string(report.path().join("home"))?;
    let home = Path::new(home.trim());
    assert!(!home.exists(), "the servers' folder is still there");
    assert_eq!(strays(home, &[]), [], "the servers, or what the command left in the background");
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_killed_takes_its_servers_with_it() -> Result<()> {
    let report = TempDir::new()?;
    let home_file = report.path().join("home");
    let script = r#"echo "$MIXDOWN_STACK" >"$0.new" && mv "$0.new" "$0"; sleep 300"#;
    let mut run = program()?.args(["run", "--", "sh", "-c", script]).arg(&home_file).spawn()?;
    let home =
        wait_until("the command runs", Duration::from_mins(2), async || fs::read_to_string(&home_file)).await;
    let home = Path::new(home.trim());
    assert!(!strays(home, &[]).is_empty());

    run.kill()?;
    run.wait()?;
    // The killer of the run must end the command's own children, here the sleep.
    wait_until("the servers are gone", Duration::from_secs(20), async || {
        let left = strays(home, &[]);
        if left.len() <= 1 { Ok(()) } else { Err(format!("{} processes are left", left.len())) }
    })
    .await;
    for stray in strays(home, &[]) {
        stray.stop(Duration::ZERO).await;
    }
    fs::remove_dir_all(home)?;
    Ok(())
}

/// The commands that `make` would run in a checkout with this record of started kinds.
fn recipe(started: &[&str], engine_answers: bool, target: &str, variables: &[&str]) -> Result<String> {
    let checkout = TempDir::new()?;
    let project = Project::locate()?;
    fs::create_dir(checkout.path().join("web"))?;
    for file in ["Makefile", "Cargo.toml", "web/package-lock.json"] {
        fs::copy(project.root().join(file), checkout.path().join(file))?;
    }
    for path in started {
        let path = checkout.path().join(path);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(path, "APP_PORT ?= 8081\n")?;
    }
    let programs = checkout.path().join("programs");
    fs::create_dir(&programs)?;
    let docker = programs.join("docker");
    fs::write(&docker, format!("#!/bin/sh\nexit {}\n", i32::from(!engine_answers)))?;
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
    let output = Command::new("make")
        .args(["--dry-run", "--directory"])
        .arg(checkout.path())
        .arg(target)
        .args(variables)
        // As if a user called it, not `make test`.
        .env_remove("MAKEFLAGS")
        .env_remove("STACK")
        .env("HOME", checkout.path())
        .env("PATH", path)
        .output()?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

const NATIVE: &str = ".stack/state.json";
const CONTAINERS: &str = "docker/started";

#[test]
fn what_was_started_decides_and_not_whether_an_engine_answers_now() -> Result<()> {
    for engine_answers in [false, true] {
        for target in ["up", "down", "status", "logs", "demo", "clean"] {
            for (started, variables, native, containers) in [
                (&[NATIVE][..], &[][..], true, false),
                (&[CONTAINERS], &[], false, true),
                (&[], &[], !engine_answers, engine_answers),
                (&[NATIVE, CONTAINERS], &["STACK=native"], true, false),
                (&[NATIVE], &["STACK=compose"], false, true),
            ] {
                let text = recipe(started, engine_answers, target, variables)?;
                let case =
                    format!("{target} {variables:?}, {started:?}, an engine: {engine_answers}:\n{text}");
                let is_native = ["release/stack", "rm -rf .stack", "scripts/demo.sh", "is not running"];
                assert_eq!(text.contains("docker compose"), containers, "{case}");
                assert_eq!(!containers && is_native.iter().any(|word| text.contains(word)), native, "{case}");
                assert_eq!(text.contains("rm -rf docker/secrets"), containers && target == "clean", "{case}");
                assert_eq!(text.contains("rm -rf .stack"), native && target == "clean", "{case}");
            }
        }
    }
    Ok(())
}

#[test]
fn where_both_kinds_were_started_both_are_shown_and_stopped() -> Result<()> {
    for target in ["status", "down", "clean"] {
        let text = recipe(&[NATIVE, CONTAINERS], false, target, &[])?;
        assert!(text.contains("release/stack") && text.contains("docker compose"), "{target}: {text}");
    }
    for target in ["up", "logs", "demo"] {
        let text = recipe(&[NATIVE, CONTAINERS], false, target, &[])?;
        assert!(text.contains("say STACK=native or STACK=compose"), "{target}: {text}");
        assert!(!text.contains("release/stack up") && !text.contains("docker compose"), "{target}: {text}");
    }
    let text = recipe(&[NATIVE], true, "up", &["STACK=compose"])?;
    assert!(text.contains("Started here earlier as well: native"), "{text}");
    Ok(())
}

#[test]
fn containers_keep_the_ports_that_they_were_started_with() -> Result<()> {
    let text = recipe(&[CONTAINERS], true, "demo", &[])?;
    assert!(text.contains("http://localhost:8081"), "{text}");
    let text = recipe(&[CONTAINERS], true, "demo", &["APP_PORT=8082"])?;
    assert!(text.contains("http://localhost:8082") && !text.contains("8081"), "{text}");
    Ok(())
}
