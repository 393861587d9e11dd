use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::folder::StackFolder;
use crate::parts::{SERVER_NAMES, SERVICE_NAMES};

const POLL: Duration = Duration::from_millis(200);
// About a screenful of each log at the beginning.
const FIRST_BYTES: u64 = 4 * 1024;

/// Prints the end of the services' logs, or of one part's log, and follows them until it is interrupted.
///
/// # Errors
/// No part has that name, or a log cannot be read.
pub(crate) async fn logs(folder: &StackFolder, part: Option<&str>) -> Result<()> {
    let parts = match part {
        Some(part) => vec![known_part(part)?],
        None => SERVICE_NAMES.to_vec(),
    };
    let prefix_width = if parts.len() > 1 { 13 } else { 0 };
    let mut logs: Vec<Log> = parts.into_iter().map(|part| Log::new(part, folder.log(part))).collect();
    loop {
        for log in &mut logs {
            for line in log.new_lines()? {
                let prefix = if prefix_width == 0 { "" } else { log.part };
                // A closed pipe (`make logs | head`) means that the reader has enough.
                if writeln!(std::io::stdout(), "{prefix:<prefix_width$}{line}").is_err() {
                    return Ok(());
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

fn known_part(name: &str) -> Result<&'static str> {
    let mut parts = SERVICE_NAMES.into_iter().chain(SERVER_NAMES);
    match parts.find(|part| *part == name) {
        Some(part) => Ok(part),
        None => bail!(
            "there is no {name}; the logs are: {}, {}",
            SERVICE_NAMES.join(", "),
            SERVER_NAMES.join(", ")
        ),
    }
}

/// A growing file, read line by line.
struct Log {
    part: &'static str,
    path: PathBuf,
    position: Option<u64>,
    partial_line: Vec<u8>,
}

impl Log {
    fn new(part: &'static str, path: PathBuf) -> Self {
        Self { part, path, position: None, partial_line: Vec::new() }
    }

    /// The lines that were completed since the last call. None while the file does not exist.
    fn new_lines(&mut self) -> Result<Vec<String>> {
        let Ok(mut file) = File::open(&self.path) else { return Ok(Vec::new()) };
        let length = file.metadata().context("could not read a log's length")?.len();
        let start = match self.position {
            None => length.saturating_sub(FIRST_BYTES),
            // Shorter than before: the log was moved away and a new one begun.
            Some(position) if position > length => 0,
            Some(position) => position,
        };
        let mut added = Vec::new();
        file.seek(SeekFrom::Start(start)).context("could not seek in a log")?;
        let read = file.take(length - start).read_to_end(&mut added).context("could not read a log")?;
        let begins_inside_a_line = self.position.is_none() && start > 0;
        self.position = Some(start + read as u64);
        self.partial_line.extend(added);
        let mut lines = self.complete_lines();
        if begins_inside_a_line && !lines.is_empty() {
            lines.remove(0);
        }
        Ok(lines)
    }

    fn complete_lines(&mut self) -> Vec<String> {
        let Some(end) = self.partial_line.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.partial_line.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial_line, rest);
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_line_is_shown_once_and_only_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        let mut log = Log::new("auth", path.clone());
        assert!(log.new_lines().unwrap().is_empty());
        fs::write(&path, "one\ntw").unwrap();
        assert_eq!(log.new_lines().unwrap(), ["one"]);
        fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(log.new_lines().unwrap(), ["two"]);
        fs::write(&path, "new\n").unwrap();
        assert_eq!(log.new_lines().unwrap(), ["new"]);
    }

    #[test]
    fn a_long_log_begins_at_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.log");
        fs::write(&path, "0123456789\n".repeat(1000)).unwrap();
        let lines = Log::new("auth", path).new_lines().unwrap();
        assert!(lines.len() > 300 && lines.iter().all(|line| line == "0123456789"));
    }
}
