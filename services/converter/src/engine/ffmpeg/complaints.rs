//! Complaints in the logs of FFmpeg and ffprobe.

use contracts::FailureCode;

use super::restrictions;

/// Messages about a full disk. FFmpeg may still exit with success.
const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// Whether a program found no room to write.
pub(crate) fn is_out_of_room(log: &str) -> bool {
    NO_ROOM.iter().any(|text| log.contains(text))
}

/// Whether a track cannot be decoded: no decoder exists or is allowed, the decoder is known by name only, or
/// its channels cannot be mixed.
pub(crate) fn is_unsupported(log: &str) -> bool {
    log.contains("Decoder (codec") && log.contains("not found")
        || log.contains("Error while opening decoder") && log.contains("not on whitelist")
        || log.contains("Error reinitializing filters")
        || is_mostly_not_implemented(log)
}

/// Whether more packets failed for a missing decoder feature than for errors. In packets read from wrong
/// positions, a few look like a missing feature by chance.
fn is_mostly_not_implemented(log: &str) -> bool {
    let lines = |text| log.lines().filter(|line| line.contains(text)).count();
    let lacking =
        lines("Not yet implemented in FFmpeg") + lines("is not implemented. Update your FFmpeg version");
    lacking > lines("Invalid data found when processing input")
}

/// The limit of FFmpeg itself that the file exceeds, if the log names one.
pub(crate) fn exceeded(log: &str) -> Option<FailureCode> {
    if log.contains("max_streams") {
        Some(FailureCode::TooManyTracks)
    // Memory is limited for each process, so it runs out there long before it does on the machine.
    } else if log.contains("Cannot allocate memory") {
        Some(FailureCode::TooComplex)
    } else {
        None
    }
}

/// The log's last complaints on one line.
pub(crate) fn complaints(log: &str) -> String {
    const LINES: usize = 4;
    const LINE_CHARS: usize = 160;
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.contains("[verbose] ") && !line.contains("[info] "))
        .filter(|line| !restrictions::is_about_refused_decoder(line))
        .collect();
    let last = lines[lines.len().saturating_sub(LINES)..].iter();
    last.map(|line| line.chars().take(LINE_CHARS).collect::<String>()).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_log_are_kept_on_one_line() {
        assert_eq!(complaints(""), "");
        assert_eq!(complaints("a\nb\n\nc\nd\ne\n"), "b | c | d | e");
        assert_eq!(complaints(&"é".repeat(500)).chars().count(), 160);
    }
}
