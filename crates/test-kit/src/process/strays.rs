use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::identity::Stat;
use super::{Identity, POLL, STACK_MARK};

// The time in which a server's own child processes notice that it is gone.
const FAREWELL: Duration = Duration::from_millis(500);

/// The processes with this stack's mark, except `known` ones and their descendants. An interrupted start
/// leaves such processes behind.
#[must_use]
pub fn strays(stack_dir: &Path, known: &[Identity]) -> Vec<Identity> {
    let mark = format!("{STACK_MARK}={}", stack_dir.display());
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id() && carries_mark(*pid, &mark) && !descends_from(*pid, known))
        .filter_map(|pid| Identity::of(pid).ok())
        .filter(Identity::is_running)
        .collect()
}

/// Stops the processes with this stack's mark that are not `known`, and returns their number. Processes that
/// end by themselves with their parents are not counted.
pub async fn stop_strays(stack_dir: &Path, known: &[Identity], patience: Duration) -> usize {
    let mut count = 0;
    // Several times, because a process may have started another before it was stopped.
    for _ in 0..5 {
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline && !strays(stack_dir, known).is_empty() {
            tokio::time::sleep(POLL).await;
        }
        let strays = strays(stack_dir, known);
        if strays.is_empty() {
            break;
        }
        count += strays.len();
        join_all(strays.iter().map(|stray| stray.stop(patience))).await;
    }
    count
}

fn carries_mark(pid: u32, mark: &str) -> bool {
    // Processes of other users cannot be read. They are not ours.
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    })
}

fn descends_from(mut pid: u32, known: &[Identity]) -> bool {
    while pid > 1 {
        if known.iter().any(|identity| identity.pid == pid) {
            return true;
        }
        match Stat::read(pid) {
            Ok(stat) => pid = stat.parent,
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Launch, Lifetime};
    use crate::project::find_program;

    #[tokio::test]
    async fn a_marked_process_is_found_unless_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let sleep = Launch::new(find_program("sleep").unwrap())
            .argument("60")
            .variable(STACK_MARK, dir.path().display().to_string());
        let mut process = sleep.start(&dir.path().join("log"), Lifetime::WithStarter).unwrap();
        let known = [process.identity().clone()];

        // The mark is visible once the wrappers have been replaced by the program.
        crate::wait_until("the process carries its mark", Duration::from_secs(5), async || {
            strays(dir.path(), &[]) == known
        })
        .await;
        assert_eq!(strays(dir.path(), &known), []);
        process.stop(Duration::from_secs(5)).await;
    }
}
