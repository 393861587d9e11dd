use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use contracts::FailureCode;
use rustix::process::Signal;

use super::parallel::joiner::JoinError;
use crate::engine::ffmpeg::restrictions;
use crate::engine::mp3::mpeg_frames::MalformedAudio;

/// Why there is no MP3.
#[derive(Debug, thiserror::Error)]
pub enum ConversionError {
    /// The file cannot be converted, and never will be.
    #[error("the file cannot be converted: {} ({detail})", .code.as_str())]
    Failed {
        /// What the person is told.
        code: FailureCode,
        /// What FFmpeg said, for the log.
        detail: String,
    },
    /// The caller asked for it.
    #[error("the conversion was cancelled")]
    Cancelled,
    /// This machine could not run a program. Another attempt may succeed.
    #[error("could not run {program}")]
    Run {
        /// Which program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program failed for a reason that is not the file's. Another attempt may succeed.
    #[error("{program} failed by no fault of the file: {detail}")]
    Machine {
        /// Which program.
        program: &'static str,
        /// What it said.
        detail: String,
    },
    /// A program found no room to write. Another attempt may succeed.
    #[error("{program} found no room on the disk: {detail}")]
    NoRoom {
        /// Which program.
        program: &'static str,
        /// What it said.
        detail: String,
    },
    /// The MP3 that FFmpeg wrote is none.
    #[error("could not measure the MP3")]
    Measure(#[source] MalformedAudio),
    /// The MP3 could not be put together from its parts. Another attempt may succeed.
    #[error("could not join the MP3")]
    Join(#[source] JoinError),
    /// There is no room for the MP3. Another attempt may succeed.
    #[error("could not make a file for the MP3")]
    Write(#[source] io::Error),
    /// The video in the scratch directory cannot be read.
    #[error("could not read the video")]
    Read(#[source] io::Error),
}

/// What programs say when there is no room. FFmpeg may call it a success all the same.
const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// What programs that fail say when the machine is at fault: a program that is not what we need.
const FAULTS_OF_THE_MACHINE: [&str; 7] = [
    "Too many open files",
    "Permission denied",
    "error while loading shared libraries",
    "Unknown encoder",
    "Unrecognized option",
    "failed to execute",
    "failed to confine",
];

impl ConversionError {
    /// What a person is told, if the file is at fault.
    #[must_use]
    pub fn code(&self) -> Option<FailureCode> {
        match self {
            Self::Failed { code, .. } => Some(*code),
            Self::Cancelled
            | Self::Run { .. }
            | Self::Machine { .. }
            | Self::NoRoom { .. }
            | Self::Measure(_)
            | Self::Join(_)
            | Self::Write(_)
            | Self::Read(_) => None,
        }
    }

    /// Whether it is one track's fault, and another may do.
    pub(crate) fn is_of_the_track(&self) -> bool {
        matches!(self.code(), Some(FailureCode::NoAudioTrack | FailureCode::UnsupportedFormat))
    }

    /// The index of the track whose decoder refused it, if that is why ffprobe gave up.
    pub(crate) fn refused_track(&self) -> Option<u32> {
        let Self::Failed { detail, .. } = self else { return None };
        let (_, track) = detail.split_once("Could not open codec for input stream ")?;
        track.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
    }

    /// Whether the sound may do if it is encoded instead of copied.
    pub(crate) fn is_of_the_copy(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::Machine { .. } | Self::Measure(_) => true,
            Self::Cancelled
            | Self::Run { .. }
            | Self::NoRoom { .. }
            | Self::Join(_)
            | Self::Write(_)
            | Self::Read(_) => false,
        }
    }

    /// Whether the scratch directory's disk was full.
    #[must_use]
    pub fn is_of_a_full_disk(&self) -> bool {
        match self {
            Self::NoRoom { .. } => true,
            Self::Run { source: error, .. }
            | Self::Join(JoinError::Write(error))
            | Self::Write(error)
            | Self::Read(error) => is_of_a_full_disk(error),
            Self::Failed { .. }
            | Self::Cancelled
            | Self::Machine { .. }
            | Self::Measure(_)
            | Self::Join(JoinError::TooLarge | JoinError::Short | JoinError::NoFrame) => false,
        }
    }

    /// FFmpeg could not be started, or not be talked to.
    pub(crate) fn ffmpeg(source: io::Error) -> Self {
        Self::Run { program: "ffmpeg", source }
    }

    /// ffprobe, likewise.
    pub(crate) fn ffprobe(source: io::Error) -> Self {
        Self::Run { program: "ffprobe", source }
    }

    /// An encoder of ours gave up on sound that it should take.
    pub(crate) fn encoder(detail: impl Into<String>) -> Self {
        Self::Machine { program: "ffmpeg", detail: detail.into() }
    }

    pub(crate) fn no_room(program: &'static str, status: ExitStatus, log: &str) -> Self {
        Self::NoRoom { program, detail: format!("{status}: {}", complaints(log)) }
    }

    pub(crate) fn failed(code: FailureCode, detail: impl Into<String>) -> Self {
        Self::Failed { code, detail: detail.into() }
    }

    /// The error of a program that did not fail because of the file, if that is so.
    pub(crate) fn of_the_machine(program: &'static str, status: ExitStatus, log: &str) -> Option<Self> {
        let says = |texts: &[&str]| texts.iter().any(|text| log.contains(text));
        if is_out_of_room(log) {
            return Some(Self::no_room(program, status, log));
        }
        let is_at_fault = !status.success() && says(&FAULTS_OF_THE_MACHINE);
        // The kernel out of memory, or a person. A file can only make a program crash.
        let is_killed = status.signal() == Some(Signal::KILL.as_raw());
        // The launcher could not start the program.
        let is_missing = matches!(status.code(), Some(126 | 127));
        (is_at_fault || is_killed || is_missing)
            .then(|| Self::Machine { program, detail: format!("{status}: {}", complaints(log)) })
    }
}

/// Whether a write of ours found no room.
pub(crate) fn is_of_a_full_disk(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether a program found no room to write.
pub(crate) fn is_out_of_room(log: &str) -> bool {
    NO_ROOM.iter().any(|text| log.contains(text))
}

/// Whether there is no decoder for a track, or none that is used, or one that knows the codec by name alone, or no way to mix its
/// channels.
pub(crate) fn is_unsupported(log: &str) -> bool {
    log.contains("Decoder (codec") && log.contains("not found")
        || log.contains("Error while opening decoder") && log.contains("not on whitelist")
        || log.contains("Error reinitializing filters")
        || is_mostly_not_implemented(log)
}

/// Whether more packets had something that a decoder lacks than were wrong. Of packets that are taken from the wrong places,
/// a few look like the former by chance.
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
    fn a_full_disk_and_a_killed_program_are_not_the_files_fault() {
        let error = |status: i32, log: &str| {
            ConversionError::of_the_machine("ffmpeg", ExitStatus::from_raw(status), log)
        };
        assert!(error(1 << 8, "av_interleaved_write_frame(): No space left on device").is_some());
        assert!(error(0, "Error writing trailer of file:track0.mp3: No space left on device").is_some());
        assert!(error(9, "").is_some());
        assert!(error(127 << 8, "failed to execute /usr/bin/ffmpeg").is_some());
        assert!(error(1 << 8, "Invalid data found when processing input").is_none());
        assert!(error(11, "").is_none());
    }

    #[test]
    fn the_last_lines_of_a_log_are_kept_on_one_line() {
        assert_eq!(complaints(""), "");
        assert_eq!(complaints("a\nb\n\nc\nd\ne\n"), "b | c | d | e");
        assert_eq!(complaints(&"é".repeat(500)).chars().count(), 160);
    }
}
