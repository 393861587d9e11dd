//! A program's end: its log after a success, or the cause of its failure.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use contracts::FailureCode;
use rustix::process::Signal;

use super::child::Ended;
use super::complaints::{complaints, exceeded, is_out_of_room, is_unsupported};
use crate::engine::error::ConversionError;

/// Messages of failures that the machine or the installation causes, not the file.
const FAULTS_OF_THE_MACHINE: [&str; 7] = [
    "Too many open files",
    "Permission denied",
    "error while loading shared libraries",
    "Unknown encoder",
    "Unrecognized option",
    "failed to execute",
    "failed to confine",
];

/// The error of a program that failed for a reason other than the file.
pub(crate) fn fault_of_the_machine(
    program: &'static str,
    status: ExitStatus,
    log: &str,
) -> Option<ConversionError> {
    let says = |texts: &[&str]| texts.iter().any(|text| log.contains(text));
    if is_out_of_room(log) {
        return Some(no_room(program, status, log));
    }
    let is_at_fault = !status.success() && says(&FAULTS_OF_THE_MACHINE);
    // SIGKILL comes from the kernel's out-of-memory killer or from a person. A file can only make a program
    // crash.
    let is_killed = status.signal() == Some(Signal::KILL.as_raw());
    // The launcher's exit statuses when it could not start the program.
    let is_missing = matches!(status.code(), Some(126 | 127));
    (is_at_fault || is_killed || is_missing)
        .then(|| ConversionError::Machine { program, detail: format!("{status}: {}", complaints(log)) })
}

fn no_room(program: &'static str, status: ExitStatus, log: &str) -> ConversionError {
    ConversionError::NoRoom { program, detail: format!("{status}: {}", complaints(log)) }
}

/// The log of an encoder that succeeded. Its input is raw audio, so a failure is never the file's fault.
pub(crate) fn log_of_encoder(Ended { status, log }: Ended) -> Result<String, ConversionError> {
    // Checked first: an encoder without room may print any other error too, or exit with success.
    if is_out_of_room(&log) {
        return Err(no_room("ffmpeg", status, &log));
    }
    if status.success() {
        return Ok(log);
    }
    if let Some(code) = limit_met(status, &log) {
        return Err(ConversionError::failed(
            code,
            format!("an encoder ended with {status}: {}", complaints(&log)),
        ));
    }
    // The encoder rejected its input format before it started.
    if log.contains("Error initializing output stream") {
        return Err(ConversionError::failed(FailureCode::UnsuitableFormat, complaints(&log)));
    }
    Err(ConversionError::encoder(format!("{status}: {}", complaints(&log))))
}

/// The log of an FFmpeg that succeeded on an untrusted file, or the reason of its failure.
pub(crate) fn log_of(Ended { status, log }: Ended) -> Result<String, ConversionError> {
    if let Some(error) = fault_of_the_machine("ffmpeg", status, &log) {
        return Err(error);
    }
    if status.success() {
        return Ok(log);
    }
    let code = match limit_met(status, &log) {
        Some(code) => code,
        None if is_unsupported(&log) => FailureCode::UnsupportedFormat,
        None => FailureCode::Damaged,
    };
    Err(ConversionError::failed(code, format!("ffmpeg ended with {status}: {}", complaints(&log))))
}

/// The limit that ended FFmpeg: one of the kernel or one of FFmpeg itself.
fn limit_met(status: ExitStatus, log: &str) -> Option<FailureCode> {
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => Some(FailureCode::TimedOut),
        Some(signal) if signal == Signal::XFSZ.as_raw() => Some(FailureCode::AudioTooLarge),
        Some(_) | None => exceeded(log),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_killed_program_are_not_the_files_fault() {
        let error =
            |status: i32, log: &str| fault_of_the_machine("ffmpeg", ExitStatus::from_raw(status), log);
        assert!(error(1 << 8, "av_interleaved_write_frame(): No space left on device").is_some());
        assert!(error(0, "Error writing trailer of file:track0.mp3: No space left on device").is_some());
        assert!(error(9, "").is_some());
        assert!(error(127 << 8, "failed to execute /usr/bin/ffmpeg").is_some());
        assert!(error(1 << 8, "Invalid data found when processing input").is_none());
        assert!(error(11, "").is_none());
    }
}
