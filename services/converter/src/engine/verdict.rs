//! Whether an MP3 holds all of the sound that its video has. FFmpeg's exit status does not say: it is 0 for a file that
//! breaks off in the middle.

use contracts::FailureCode;

use super::failure::{ConversionError, complaints};
use super::packets::{AudioPackets, Packets};
use super::probe::Probe;
use super::recipe::Recipe;
use super::restrictions;

/// How far the length of an MP3 may be from that of its source, as a share of it.
const TOLERANCE: f64 = 0.02;

/// How far in any case: a frame or two at either end, which matters in a sound of a second.
const SLACK_SECONDS: f64 = 0.15;

/// What the length of the MP3 says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// It is the length that the file declares.
    AsDeclared,
    /// The file declares none, and was read to its end without a complaint.
    Unknown,
    /// Only the packets can tell: headers may be wrong, a recording may have gaps, a container's length may be that
    /// of its picture.
    Contested,
}

/// Compares lengths, as far as the headers go.
pub(crate) fn judge_by_headers(
    probe: &Probe,
    recipe: &Recipe,
    actual_seconds: f64,
    log: &str,
) -> Result<Length, ConversionError> {
    let expected = |seconds| recipe.selected_seconds(seconds, probe.track.start_seconds);
    match probe.declared_seconds().map(expected) {
        Some(declared) if is_close(actual_seconds, declared) && actual_seconds > 0.0 => {
            Ok(Length::AsDeclared)
        }
        None if has_container_error(probe, log) => {
            Err(ConversionError::failed(FailureCode::Damaged, complaints(log)))
        }
        None if actual_seconds > 0.0 => Ok(Length::Unknown),
        Some(_) | None => Ok(Length::Contested),
    }
}

/// Decides by the packets where the headers could not.
pub(crate) fn judge_by_packets(
    probe: &Probe,
    recipe: &Recipe,
    packets: Packets,
    actual_seconds: f64,
    log: &str,
) -> Result<(), ConversionError> {
    let damaged = |detail: String| Err(ConversionError::failed(FailureCode::Damaged, detail));
    if has_container_error(probe, log) {
        return damaged(complaints(log));
    }
    let declared = probe.container_seconds.or(probe.track_seconds);
    if is_short_of(packets.reach_seconds, declared) {
        return damaged(format!(
            "its packets reach {:.2} s, it declares {declared:.2?} s",
            packets.reach_seconds
        ));
    }
    // Screen recorders make a track for a microphone that was never on.
    let Some(audio) = packets.audio else {
        return Err(ConversionError::failed(FailureCode::NoAudioTrack, "the audio track has no packets"));
    };
    let AudioPackets { extent_seconds, sound_seconds } = audio;
    if is_short_of(extent_seconds, probe.track_seconds) {
        let declared = probe.track_seconds;
        return damaged(format!("its sound ends after {extent_seconds:.2} s, it declares {declared:.2?} s"));
    }
    if actual_seconds > 0.0 && is_close(actual_seconds, sound_seconds) {
        Ok(())
    } else if actual_seconds <= 0.0 && sound_seconds <= 0.0 && recipe.selects() {
        Err(ConversionError::failed(FailureCode::EmptySelection, "there is no sound in the selection"))
    } else {
        let complaints = complaints(log);
        damaged(format!("{actual_seconds:.2} s of its {sound_seconds:.2} s could be decoded: {complaints}"))
    }
}

fn is_short_of(actual: f64, declared: Option<f64>) -> bool {
    declared.is_some_and(|declared| actual < declared && !is_close(actual, declared))
}

fn is_close(actual: f64, expected: f64) -> bool {
    (actual - expected).abs() <= (expected * TOLERANCE).max(SLACK_SECONDS)
}

/// Whether FFmpeg could not follow the container, by lines such as `[avi @ 0x55d] [error] …`. Complaints of decoders do
/// not count: what they could not decode is missing from the MP3, and that is measured.
fn has_container_error(probe: &Probe, log: &str) -> bool {
    // A raw stream has no container, and its demuxer the name of its decoder.
    let is_raw = probe.facts.audio_tracks.iter().any(|track| track.codec == probe.format);
    !is_raw
        && log.lines().filter(|line| !restrictions::is_about_refused_decoder(line)).any(|line| {
            let message = line.strip_prefix('[').and_then(|line| line.strip_prefix(probe.format.as_str()));
            message.is_some_and(|message| {
                message.starts_with(" @ 0x")
                    && (message.contains("] [error] ") || message.contains("] [fatal] "))
            })
        })
}

#[cfg(test)]
mod tests {
    use contracts::ConversionOptions;
    use jobs::SourceFacts;

    use super::*;
    use crate::engine::probe::Track;

    fn whole() -> Recipe {
        Recipe::guess(&ConversionOptions::default(), false).unwrap()
    }

    fn from(seconds: &str) -> Recipe {
        Recipe::guess(&ConversionOptions::parse([("start", seconds)]).unwrap(), false).unwrap()
    }

    fn probe(track: Option<f64>, container: Option<f64>) -> Probe {
        Probe {
            facts: SourceFacts { duration_seconds: track.or(container), audio_tracks: Vec::new() },
            format: "matroska,webm".to_owned(),
            track: Track::usual(0),
            cover: None,
            has_video: true,
            start_seconds: 0.0,
            track_seconds: track,
            container_seconds: container,
            approximate_seconds: track.or(container),
        }
    }

    const CLEAN: &str = "[h264 @ 0x5] [error] no frame!\n[matroska,webm @ 0x5] [warning] Packet corrupt\n";
    const BROKEN: &str = "[matroska,webm @ 0x5] [error] File ended prematurely\n";

    #[test]
    fn a_picture_that_is_not_decoded_is_no_damage() {
        let mut probe = probe(None, None);
        probe.format = "flv".to_owned();
        let log = "[flv @ 0x5] [error] Codec (flv) not on whitelist 'aac,mp3'\n";
        assert_eq!(judge_by_headers(&probe, &whole(), 5.0, log).unwrap(), Length::Unknown);
    }

    fn packets(reach_seconds: f64, extent_seconds: f64, sound_seconds: f64) -> Packets {
        Packets { reach_seconds, audio: Some(AudioPackets { extent_seconds, sound_seconds }) }
    }

    fn code(result: Result<impl Sized, ConversionError>) -> Option<FailureCode> {
        result.err().and_then(|error| error.code())
    }

    #[test]
    fn a_length_within_two_percent_is_as_declared() {
        let probe = probe(Some(100.0), Some(120.0));
        for (actual, length) in [
            (100.0, Length::AsDeclared),
            (98.1, Length::AsDeclared),
            (97.9, Length::Contested),
            (102.1, Length::Contested),
            (0.0, Length::Contested),
        ] {
            assert_eq!(judge_by_headers(&probe, &whole(), actual, BROKEN).unwrap(), length, "{actual}");
        }
    }

    #[test]
    fn a_file_of_unknown_length_must_be_readable_to_its_end() {
        let probe = probe(None, None);
        assert_eq!(judge_by_headers(&probe, &whole(), 5.0, CLEAN).unwrap(), Length::Unknown);
        assert_eq!(code(judge_by_headers(&probe, &whole(), 5.0, BROKEN)), Some(FailureCode::Damaged));
    }

    #[test]
    fn a_raw_stream_ends_wherever_it_ends() {
        let mut probe = probe(None, None);
        probe.format = "aac".to_owned();
        let codec = "aac".to_owned();
        let track = contracts::AudioTrack { codec, channels: 2, sample_rate_hz: 44_100, language: None };
        probe.facts.audio_tracks.push(track);
        let log = "[aac @ 0x5] [error] Input buffer exhausted before END element found\n";
        assert_eq!(judge_by_headers(&probe, &whole(), 5.0, log).unwrap(), Length::Unknown);
    }

    #[test]
    fn a_picture_that_outlasts_the_sound_is_no_damage() {
        let probe = probe(None, Some(100.0));
        assert!(judge_by_packets(&probe, &whole(), packets(100.0, 40.0, 40.0), 40.1, CLEAN).is_ok());
    }

    #[test]
    fn a_gap_in_the_sound_is_no_damage() {
        let probe = probe(Some(100.0), Some(100.0));
        assert!(judge_by_packets(&probe, &whole(), packets(100.0, 100.0, 60.0), 60.1, CLEAN).is_ok());
    }

    #[test]
    fn a_file_that_breaks_off_is_damaged() {
        let probe = probe(Some(100.0), Some(100.0));
        for (packets, actual, log) in [
            (packets(50.0, 50.0, 50.0), 50.0, CLEAN),
            (packets(100.0, 88.0, 88.0), 88.0, CLEAN),
            (packets(100.0, 100.0, 70.0), 70.0, BROKEN),
            (packets(100.0, 100.0, 100.0), 60.0, CLEAN),
            (packets(100.0, 100.0, 100.0), 0.0, CLEAN),
        ] {
            let judged = judge_by_packets(&probe, &whole(), packets, actual, log);
            assert_eq!(code(judged), Some(FailureCode::Damaged), "{packets:?}");
        }
    }

    #[test]
    fn a_part_is_as_long_as_was_asked_for() {
        let mut probe = probe(Some(100.0), Some(110.0));
        assert_eq!(judge_by_headers(&probe, &from("90"), 10.0, BROKEN).unwrap(), Length::AsDeclared);
        probe.track.start_seconds = 5.0;
        assert_eq!(judge_by_headers(&probe, &from("90"), 15.0, BROKEN).unwrap(), Length::AsDeclared);
        assert_eq!(judge_by_headers(&probe, &from("2"), 100.0, BROKEN).unwrap(), Length::AsDeclared);
        assert_eq!(judge_by_headers(&probe, &from("90"), 5.0, CLEAN).unwrap(), Length::Contested);
        let none = packets(110.0, 100.0, 0.0);
        let empty = judge_by_packets(&probe, &from("106"), none, 0.0, CLEAN);
        assert_eq!(code(empty), Some(FailureCode::EmptySelection));
    }

    #[test]
    fn an_empty_track_is_no_track() {
        let probe = probe(Some(0.0), Some(100.0));
        let packets = Packets { reach_seconds: 100.0, audio: None };
        assert_eq!(
            code(judge_by_packets(&probe, &whole(), packets, 0.0, CLEAN)),
            Some(FailureCode::NoAudioTrack)
        );
    }
}
