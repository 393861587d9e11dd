//! Asks ffprobe about a file, and reads its answer or refusal.

use std::process::ExitStatus;

use contracts::FailureCode;
use tokio::io::AsyncReadExt as _;

use super::answer::Answer;
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{Child, Ended, complaints, fault_of_the_machine, restrictions};
use crate::engine::source::description;

/// The fields that are read below, and all tags. Which tags are kept is decided elsewhere.
const ENTRIES: &str = "format=format_name,probe_score,start_time,duration:format_tags:\
    stream=index,codec_type,codec_name,codec_tag_string,channels,channel_layout,sample_rate,sample_fmt,\
    bits_per_raw_sample,bit_rate,start_time,duration,width,height:\
    stream_disposition=default,attached_pic,dub,comment,karaoke,hearing_impaired,visual_impaired,clean_effects,\
    descriptions,dependent:stream_tags:chapter=start_time,end_time:chapter_tags=title";

/// ffprobe's output options. Bytes of old code pages are printed unchanged.
pub(crate) const SHOWN: [&str; 4] = ["-show_entries", ENTRIES, "-of", "json=c=1:sv=ignore"];

/// No real file has a longer description.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Why ffprobe gave no answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub error: ConversionError,
    /// The index of the track whose decoder refused it, if that is the reason.
    pub refused_track: Option<u32>,
}

impl From<ConversionError> for Refusal {
    fn from(error: ConversionError) -> Self {
        Self { error, refused_track: None }
    }
}

/// Reads ffprobe's answer.
pub(crate) async fn answer(mut child: Child) -> Result<Answer, Refusal> {
    let mut json = Vec::new();
    (&mut child.stdout)
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut json)
        .await
        .map_err(ConversionError::ffprobe)?;
    if json.len() as u64 == MAX_ANSWER_BYTES {
        return Err(ConversionError::failed(FailureCode::Damaged, "its description is too long").into());
    }
    let ended = child.ended().await.map_err(ConversionError::ffprobe)?;
    read(&json, &ended)
}

pub(super) fn read(json: &[u8], Ended { status, log }: &Ended) -> Result<Answer, Refusal> {
    if let Some(error) = fault_of_the_machine("ffprobe", *status, log) {
        return Err(error.into());
    }
    if !status.success() {
        let detail = complaints(log);
        let refused_track = refused_track(&detail);
        let error = ConversionError::failed(refusal(*status, log), detail);
        return Err(Refusal { error, refused_track });
    }
    let mut answer: Answer = serde_json::from_str(&description::valid_json(json))
        .map_err(|error| ConversionError::ffprobe(error.into()))?;
    // If the file declares no length, FFmpeg divides the size by the bit rate. For a variable bit rate that
    // is far off.
    answer.is_estimate = log.contains("Estimating duration from bitrate");
    Ok(answer)
}

/// The index of the track whose decoder refused it.
fn refused_track(complaints: &str) -> Option<u32> {
    let (_, track) = complaints.split_once("Could not open codec for input stream ")?;
    track.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// Why ffprobe did not open the file.
fn refusal(status: ExitStatus, log: &str) -> FailureCode {
    use std::os::unix::process::ExitStatusExt as _;

    if let Some(code) = complaints::exceeded(log) {
        return code;
    }
    // ffprobe opens a decoder for each track and gives up at the first that refuses.
    if complaints::is_unsupported(log) {
        return FailureCode::UnsupportedFormat;
    }
    if log.contains("misdetection possible") {
        return FailureCode::NotAMediaFile;
    }
    if let Some(format) = restrictions::refused_format(log) {
        let is_media = !restrictions::is_no_media(format);
        return if is_media { FailureCode::UnsupportedFormat } else { FailureCode::NotAMediaFile };
    }
    // A demuxer's log line shows that the format was recognised. Any other complaint than this one shows it
    // too.
    let is_recognised = log.lines().any(|line| line.starts_with('[') && line.contains(" @ 0x"));
    if status.signal().is_none() && !is_recognised && log.contains("Invalid data found when processing input")
    {
        FailureCode::NotAMediaFile
    } else {
        FailureCode::Damaged
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn refused(log: &str) -> FailureCode {
        let ended = Ended { status: ExitStatus::from_raw(1 << 8), log: log.to_owned() };
        read(b"{\n}", &ended).unwrap_err().error.code().unwrap()
    }

    #[test]
    fn a_refusal_is_damage_only_where_the_format_was_recognised() {
        assert_eq!(
            refused("[error] file:source: Invalid data found when processing input"),
            FailureCode::NotAMediaFile
        );
        assert_eq!(
            refused(
                "[hls @ 0x5] [error] Format not on whitelist 'mov'\n[error] file:source: Invalid argument"
            ),
            FailureCode::NotAMediaFile
        );
        assert_eq!(
            refused(
                "[gsm @ 0x5] [error] Format not on whitelist 'mov'\n[error] file:source: Invalid argument"
            ),
            FailureCode::UnsupportedFormat
        );
        assert_eq!(
            refused(
                "[mov,mp4 @ 0x5] [error] moov atom not found\n[error] file:source: Invalid data found when processing input"
            ),
            FailureCode::Damaged
        );
        assert_eq!(refused("[error] file:source: End of file"), FailureCode::Damaged);
        assert_eq!(
            refused(
                "[aac @ 0x5] [warning] Audio object type 42 is not implemented. Update your FFmpeg version to the newest one\n[warning] Could not open codec for input stream 0"
            ),
            FailureCode::UnsupportedFormat
        );
    }
}
