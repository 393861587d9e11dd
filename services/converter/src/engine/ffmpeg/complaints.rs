//! What FFmpeg and ffprobe complain about in their logs.

use contracts::FailureCode;

use super::restrictions;

/// What programs say when there is no room. FFmpeg may call it a success all the same.
const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// Whether a program found no room to write.
pub(crate) fn is_out_of_room(log: &str) -> bool {
    NO_ROOM.iter().any(|text| log.contains(text))
}

/// Whether there is no decoder for a track, or none that is used, or one that knows the codec by
/// name alone, or no way to mix its channels.
pub(crate) fn is_unsupported(log: &str) -> bool {
    log.contains("Decoder (codec") && log.contains("not found")
        || log.contains("Error while opening decoder") && log.contains("not on whitelist")
        || log.contains("Error reinitializing filters")
        || is_mostly_not_implemented(log)
}

/// Whether more packets had something that a decoder lacks than were wrong. Of packets that are taken from
/// the wrong places, a few look like the former by chance.
fn is_mostly_not_implemented(log: &str) -> bool {
    let lines = |text| log.lines().filter(|line| line.contains(text)).count();
    let lacking =
        lines("Not yet implemented in FFmpeg") + lines("is not implemented. Update your FFmpeg version");
    lacking > lines("Invalid data found when processing input")
}

/// Which of the limits that FFmpeg keeps itself a file goes beyond, if that is what it says.
pub(crate) fn exceeded(log: &str) -> Option<FailureCode> {
    if log.contains("max_streams") {
        Some(FailureCode::TooManyTracks)
    // Memory is limited for each process, so that there is none left long before the machine has none.
    } else if log.contains("Cannot allocate memory") {
        Some(FailureCode::TooComplex)
    } else {
        None
    }
}

/// The last complaints in a log, on one line.
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
