//! Decides whether all of a file's audio was decoded. FFmpeg's exit status does not tell: it is 0 for a file
//! that breaks off in the middle. The lengths that containers declare are only hints.

use contracts::{FailureCode, SourceFacts};

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{Decoded, complaints, restrictions};
use crate::engine::sound::{Found, Join};
use crate::engine::source::{Lack, Packets, Probe, Scanner};

/// The tolerated loss: what decoders drop at a track's ends, and a scratch.
const ALLOWANCE_SECONDS: f64 = 0.5;

/// Audio of at most this length is the rest that a broken size left of longer audio, if the remaining bytes
/// of the file belong to no packet.
const SPLINTER_SECONDS: f64 = 0.01;

/// So much may lie beside a sound that is really as short.
const HEADER_BYTES: u64 = 4096;

/// What is known about a decoded file.
pub(crate) struct Evidence<'a> {
    pub probe: &'a Probe,
    pub found: &'a Found,
    /// What is missing at its end.
    pub lack: Lack,
    /// Size of the file.
    pub file_bytes: u64,
    /// Where the selection ends on the file's clock.
    pub until: f64,
}

impl Evidence<'_> {
    /// Decides. Scans the packets if there is doubt.
    pub(crate) async fn decide(
        &self,
        scanner: Scanner<'_>,
        join: Option<&Join>,
    ) -> Result<(), ConversionError> {
        let (is_empty, is_doubtful) = (self.found.sound_seconds <= 0.0, self.is_doubtful());
        let packets = if is_empty || is_doubtful && join.is_none() {
            // Nothing after the end of a selection was decoded.
            let decoded_until = if self.until.is_finite() { self.end() } else { f64::INFINITY };
            Some(scanner.scan(decoded_until).await?)
        } else {
            None
        };
        match (packets, join) {
            (Some(packets), _) if is_empty => {
                Err(of_nothing(self.probe, self.file_bytes, self.lack, &packets, &self.found.log))
            }
            (Some(packets), None) => self.judge(&packets),
            (_, Some(join)) if is_doubtful => self.judge_each(scanner, join).await,
            (None, None) | (_, Some(_)) => Ok(()),
        }
    }

    /// Judges each of several joined tracks like a single one.
    async fn judge_each(&self, scanner: Scanner<'_>, join: &Join) -> Result<(), ConversionError> {
        for track in &join.indices {
            let packets = Scanner { track: *track, ..scanner }.scan(self.until).await?;
            self.judge_one_of_several(*track, &packets)?;
        }
        Ok(())
    }

    /// Facts about the source for the report.
    pub(crate) fn source_facts(&self) -> SourceFacts {
        let mut facts = self.probe.facts.clone();
        facts.declared_seconds = self.ends_early(false).then(|| self.probe.declared_seconds()).flatten();
        if !self.until.is_finite() {
            facts.duration_seconds = Some(self.end() - self.found.extent.start);
        }
        facts
    }

    /// Whether the packets must be scanned, because something is unlike a whole file.
    fn is_doubtful(&self) -> bool {
        let log = &self.found.log;
        self.found.filled_seconds > 0.0
            || self.lack != Lack::Nothing
            || has_container_error(self.probe, log)
            || has_decoder_error(log)
            || self.found.sound_seconds < SPLINTER_SECONDS
            || self.declared_end().is_none_or(|declared| (self.end() - declared).abs() > ALLOWANCE_SECONDS)
    }

    fn judge(&self, packets: &Packets) -> Result<(), ConversionError> {
        let damaged = |detail: String| Err(ConversionError::failed(FailureCode::Damaged, detail));
        let Found { sound_seconds, log, .. } = self.found;
        let undecoded = packets.sound_seconds - sound_seconds;
        if undecoded > ALLOWANCE_SECONDS {
            let whole = packets.sound_seconds;
            return damaged(format!(
                "{sound_seconds:.2} s of its {whole:.2} s could be decoded: {}",
                complaints(log)
            ));
        }
        let is_splinter = *sound_seconds < SPLINTER_SECONDS && !self.until.is_finite();
        if is_splinter && self.file_bytes > 10 * packets.all_bytes + HEADER_BYTES {
            return damaged(format!("{} of its {} bytes are sound", packets.all_bytes, self.file_bytes));
        }
        if packets.torn_seconds > ALLOWANCE_SECONDS {
            return damaged(format!("{:.2} s are missing where bytes make no sense", packets.torn_seconds));
        }
        let torn = self.share(packets.torn_bytes);
        if self.probe.is_raw() && torn * sound_seconds > ALLOWANCE_SECONDS {
            return damaged(format!("{} bytes between its frames make no sense", packets.torn_bytes));
        }
        let gaps = self.found.filled_seconds;
        if self.probe.is_raw() && gaps > ALLOWANCE_SECONDS {
            return damaged(format!("{gaps:.2} s are missing between its frames"));
        }
        if has_container_error(self.probe, log) && (gaps > ALLOWANCE_SECONDS || self.ends_early(true)) {
            return damaged(format!("{gaps:.2} s are missing: {}", complaints(log)));
        }
        // An index at the end takes a part of the file, but a smaller one than this.
        let tail = self.file_bytes.saturating_sub(packets.end_byte);
        let tail = if tail > self.file_bytes / 3 { tail } else { 0 };
        let unread = self.share(packets.unread_bytes + tail);
        let is_torn = unread * self.probe.declared_seconds().unwrap_or(0.0) > ALLOWANCE_SECONDS;
        // A declared length of a hundred times as much is not believed.
        let is_likely = self.probe.declared_seconds().is_some_and(|seconds| seconds < 100.0 * sound_seconds);
        if self.ends_early(false) && is_likely && (self.probe.counts_samples() || is_torn) {
            return damaged(format!("its sound ends at {:.2} s, before it should", self.end()));
        }
        if self.lacks_sound() {
            return damaged(format!("it is cut off: {:?}, its sound ends at {:.2} s", self.lack, self.end()));
        }
        Ok(())
    }

    /// The same judgement for one of several joined tracks. FFmpeg logs how much it decoded of each.
    fn judge_one_of_several(&self, track: u32, packets: &Packets) -> Result<(), ConversionError> {
        let log = &self.found.log;
        let decoded = Decoded::read(log, track).map_or(0.0, Decoded::seconds);
        let is_torn = packets.torn_seconds > ALLOWANCE_SECONDS || has_container_error(self.probe, log);
        if packets.sound_seconds - decoded > ALLOWANCE_SECONDS || is_torn || self.lacks_sound() {
            let detail = format!("of track {track}, {decoded:.2} s could be decoded: {}", complaints(log));
            return Err(ConversionError::failed(FailureCode::Damaged, detail));
        }
        Ok(())
    }

    fn end(&self) -> f64 {
        self.found.extent.end
    }

    /// Where the audio ends by the file's declaration, within the selection.
    fn declared_end(&self) -> Option<f64> {
        let end = self.probe.declared_seconds().map(|seconds| self.probe.track.start_seconds + seconds);
        // Audio after the selection does not matter.
        end.map(|end| end.min(self.until.max(self.end())))
    }

    /// Whether the audio ends before the declared end. `by_default` is the answer if none is declared.
    fn ends_early(&self, by_default: bool) -> bool {
        self.declared_end().map_or(by_default, |declared| self.end() + ALLOWANCE_SECONDS < declared)
    }

    /// Whether the file lost audio together with its end.
    fn lacks_sound(&self) -> bool {
        // A length that FFmpeg calculates from the existing bytes proves nothing.
        let is_measured = matches!(self.probe.format.as_str(), "avi" | "asf" | "wav" | "w64" | "caf" | "au");
        match self.lack {
            Lack::Nothing => false,
            Lack::Bytes(bytes) if is_measured => {
                self.share(bytes) * self.found.sound_seconds > ALLOWANCE_SECONDS && self.end() < self.until
            }
            Lack::Bytes(_) => self.ends_early(true),
            Lack::Rest => self.end() < self.until,
            Lack::Tail => self.ends_early(false),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn share(&self, bytes: u64) -> f64 {
        bytes as f64 / self.file_bytes.max(1) as f64
    }
}

/// The error for audio that no decoder knows, if FFmpeg's log says so.
pub(crate) fn unsupported(log: &str) -> Option<ConversionError> {
    complaints::is_unsupported(log)
        .then(|| ConversionError::failed(FailureCode::UnsupportedFormat, complaints(log)))
}

/// Why nothing was decoded from a file that may be cut off.
pub(crate) fn of_nothing(
    probe: &Probe,
    file_bytes: u64,
    lack: Lack,
    packets: &Packets,
    log: &str,
) -> ConversionError {
    if let Some(error) = unsupported(log) {
        return error;
    }
    // Most of the file belongs to no packet, or the track declares audio.
    let is_promised = packets.all_bytes < file_bytes / 2
        || probe.track.seconds.is_some_and(|seconds| seconds > ALLOWANCE_SECONDS);
    let code = if packets.count > 0 || is_promised || lack != Lack::Nothing || has_container_error(probe, log)
    {
        FailureCode::Damaged
    } else {
        // Screen recorders create a track for a microphone that was never on.
        FailureCode::NoAudioTrack
    };
    ConversionError::failed(code, format!("{} packets, and no sound: {}", packets.count, complaints(log)))
}

/// Whether FFmpeg could not follow the container or could not read on, judged by lines such as
/// `[avi @ 0x55d] [error] …`.
fn has_container_error(probe: &Probe, log: &str) -> bool {
    // A raw stream has no container, and its demuxer is named like its decoder.
    !probe.is_raw()
        && log.lines().filter(|line| !restrictions::is_about_refused_decoder(line)).any(|line| {
            let message = line.strip_prefix('[').and_then(|line| line.strip_prefix(probe.format.as_str()));
            let is_demuxers = message.is_some_and(|message| {
                message.starts_with(" @ 0x")
                    && (message.contains("] [error] ") || message.contains("] [fatal] "))
            });
            is_demuxers || line.starts_with("[error] file:source: ")
        })
}

/// Whether a decoder met malformed data.
pub(crate) fn has_decoder_error(log: &str) -> bool {
    log.lines().any(|line| line.starts_with("[error] Error while decoding stream"))
}
