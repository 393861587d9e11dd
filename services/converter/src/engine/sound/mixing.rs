//! Joins several tracks, such as the microphones of one recording.

use crate::engine::source::TrackFacts;

/// The filter graph that joins tracks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    /// The filter graph for `-filter_complex`, up to its only output. The output has no label yet, so more
    /// filters can follow after a comma.
    pub graph: String,
    /// The joined tracks, by their places among the audio tracks.
    pub places: Vec<usize>,
    /// Their indices among all tracks of the file.
    pub indices: Vec<u32>,
    /// The number of channels of the result.
    pub channels: u32,
    /// Its sample rate in Hz.
    pub sample_rate_hz: u32,
}

/// How the tracks are mixed: the number of channels, and each track's weight.
struct Layout {
    channels: u32,
    weight: f64,
    is_pair: bool,
}

/// The graph that joins the tracks at these places. `None`: fewer than two tracks, which need no graph.
///
/// - Two mono tracks become left and right, the first on the left, because field recorders write a pair of
///   microphones so. Their level stays.
/// - Any other number of mono tracks is mixed to mono. If any track has more channels, the tracks are mixed
///   to stereo. Each of N tracks is divided by N, even after others have ended: nothing clips, and no track
///   fades. A track of more than two channels is mixed down first.
/// - Each track keeps its place on the file's clock. Silence fills the time before a track, its gaps, and the
///   time after it. So the result begins with the file and lasts to the last track's end. (In an MPEG
///   transport stream it begins with the first of the tracks: FFmpeg's clock begins there if no picture is
///   read.)
///
/// A track without packets counts as silence and makes the others quieter, so leave it out if that is known.
/// Places that the file does not have are left out.
pub(crate) fn join_filter(tracks: &[TrackFacts], places: &[usize]) -> Option<Join> {
    /// The rate of most videos, for files that do not declare one.
    const USUAL_RATE_HZ: u32 = 48_000;

    let joined: Vec<_> = places.iter().filter_map(|place| Some((*place, tracks.get(*place)?))).collect();
    if joined.len() < 2 {
        return None;
    }
    let layout = Layout::of(&joined);
    let rate = joined.iter().map(|(_, track)| track.sample_rate_hz).max().filter(|rate| *rate > 0);
    let rate = rate.unwrap_or(USUAL_RATE_HZ);
    let tracks = joined.iter().enumerate().map(|(input, (place, track))| {
        // Pads each track from time 0, because amix ignores when a track begins.
        let in_step = format!("aresample={rate}:async=1:first_pts=0:rematrix_maxval=1");
        format!("[0:a:{place}]{in_step},{}[track{input}]", layout.channels_of(input, track))
    });
    // When amix's first input ends, amix drops what it has not mixed yet of it. So the first input is a short
    // silence.
    let silence = format!("anullsrc=r={rate}:cl={}:d=0.01[silence]", layout.name());
    let labels: Vec<_> = (0..joined.len()).map(|input| format!("[track{input}]")).collect();
    let mix = format!(
        // amix sets times only while its first input lasts. A selection needs times, so they are set again.
        "[silence]{}amix=inputs={}:duration=longest:normalize=0:weights=1 {},asetpts=N/SR/TB",
        labels.concat(),
        joined.len() + 1,
        vec![layout.weight.to_string(); joined.len()].join(" "),
    );
    let chains: Vec<_> = [silence].into_iter().chain(tracks).chain([mix]).collect();
    Some(Join {
        graph: chains.join(";"),
        places: joined.iter().map(|(place, _)| *place).collect(),
        indices: joined.iter().map(|(_, track)| track.index).collect(),
        channels: layout.channels,
        sample_rate_hz: rate,
    })
}

impl Layout {
    fn of(tracks: &[(usize, &TrackFacts)]) -> Self {
        let is_mono = tracks.iter().all(|(_, track)| track.channels == 1);
        let is_pair = is_mono && tracks.len() == 2;
        #[expect(clippy::cast_precision_loss, reason = "a file has a hundred tracks")]
        let weight = if is_pair { 1.0 } else { 1.0 / tracks.len() as f64 };
        Self { channels: if is_mono && !is_pair { 1 } else { 2 }, weight, is_pair }
    }

    fn name(&self) -> &'static str {
        if self.channels == 1 { "mono" } else { "stereo" }
    }

    /// The filter that converts one input's channels to those of the result.
    fn channels_of(&self, input: usize, track: &TrackFacts) -> String {
        match (self.channels, track.channels) {
            _ if self.is_pair => format!("pan=stereo|c{input}=c0"),
            // Not by the layout, which would make this track quieter than the others.
            (2, 1) => "pan=stereo|c0=c0|c1=c0".to_owned(),
            _ => format!("aformat=channel_layouts={}", self.name()),
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts of samples within a few seconds"
)]
mod tests {
    use std::ops::Range;
    use std::path::Path;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::engine::source::tracks::Role;

    const RATE: u32 = 48_000;

    /// A track with one tone in all channels.
    struct Tone {
        hertz: u32,
        channels: u32,
        seconds: Range<u32>,
    }

    /// The samples of joined audio, one list for each channel.
    struct Sound(Vec<Vec<f32>>);

    impl Tone {
        fn facts(&self) -> TrackFacts {
            TrackFacts {
                index: 0,
                codec: "aac".to_owned(),
                is_decodable: true,
                channels: self.channels,
                sample_rate_hz: RATE,
                language: None,
                is_default: true,
                role: Role::Main,
            }
        }
    }

    impl Sound {
        fn seconds(&self) -> f64 {
            self.0[0].len() as f64 / f64::from(RATE)
        }

        /// The amplitude of a tone in a channel during some seconds, where full scale is 1.
        fn level(&self, channel: usize, hertz: u32, seconds: Range<f64>) -> f64 {
            let index = |seconds: f64| (seconds * f64::from(RATE)) as usize;
            let samples = &self.0[channel][index(seconds.start)..index(seconds.end)];
            let turn = std::f64::consts::TAU * f64::from(hertz) / f64::from(RATE);
            let sum = |wave: fn(f64) -> f64| {
                samples.iter().enumerate().map(|(i, x)| f64::from(*x) * wave(turn * i as f64)).sum::<f64>()
            };
            2.0 * sum(f64::cos).hypot(sum(f64::sin)) / samples.len() as f64
        }

        fn peak(&self) -> f32 {
            self.0.iter().flatten().fold(0.0, |peak, sample| sample.abs().max(peak))
        }
    }

    fn ffmpeg(directory: &Path, arguments: &[String]) -> Vec<u8> {
        let options = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];
        let made =
            Command::new("ffmpeg").current_dir(directory).args(options).args(arguments).output().unwrap();
        assert!(made.status.success() && made.stderr.is_empty(), "{}", String::from_utf8_lossy(&made.stderr));
        made.stdout
    }

    /// Writes the tones as tracks of a file with a picture of four seconds, and joins them.
    fn joined(name: &str, codec: &str, tones: &[Tone], selection: &[&str]) -> Sound {
        let directory = TempDir::new().unwrap();
        let mut arguments: Vec<_> =
            ["-f", "lavfi", "-i", "color=s=32x32:r=10:d=4"].map(str::to_owned).to_vec();
        for Tone { hertz, channels, seconds } in tones {
            let channel = format!("0.9*sin(2*PI*{hertz}*t)");
            let sound = vec![channel; *channels as usize].join("|");
            let layout = ["mono", "stereo", "5.1"][(*channels as usize).div_euclid(2).min(2)];
            let source = format!("aevalsrc={sound}:c={layout}:s={RATE}:d={}", seconds.end - seconds.start);
            let start = seconds.start.to_string();
            arguments.extend(["-itsoffset", &start, "-f", "lavfi", "-i", &source].map(str::to_owned));
        }
        arguments.extend((0..=tones.len()).flat_map(|input| ["-map".to_owned(), input.to_string()]));
        arguments.extend(["-c:v", "mpeg4", "-c:a", codec, name].map(str::to_owned));
        ffmpeg(directory.path(), &arguments);

        let facts: Vec<_> = tones.iter().map(Tone::facts).collect();
        let places: Vec<_> = (0..tones.len()).collect();
        let join = join_filter(&facts, &places).unwrap();
        assert_eq!(join.places, places);
        let graph = format!("{}[joined]", join.graph);
        let rate = RATE.to_string();
        let input = ["-i", name, "-filter_complex", &graph, "-map", "[joined]", "-ar", &rate];
        let output = ["-f", "f32le", "pipe:1"];
        let arguments = [&input[..], selection, &output].concat();
        let bytes = ffmpeg(directory.path(), &arguments.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let samples: Vec<_> =
            bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        let channels = join.channels as usize;
        Sound((0..channels).map(|c| samples.iter().skip(c).step_by(channels).copied().collect()).collect())
    }

    fn mono(hertz: u32, seconds: Range<u32>) -> Tone {
        Tone { hertz, channels: 1, seconds }
    }

    fn assert_level(sound: &Sound, channel: usize, hertz: u32, seconds: Range<f64>, expected: f64) {
        let level = sound.level(channel, hertz, seconds.clone());
        // Encoders miss a tone's level by a few hundredths.
        assert!((level - expected).abs() < 0.05, "channel {channel}, {hertz} Hz, {seconds:?}: {level}");
    }

    const CONTAINERS: [(&str, &str); 5] = [
        ("sound.mkv", "pcm_s16le"),
        ("sound.mov", "pcm_s16le"),
        ("sound.mp4", "aac"),
        ("sound.mkv", "aac"),
        ("sound.ts", "mp2"),
    ];

    #[test]
    fn two_mono_tracks_become_left_and_right_and_last_to_the_end_of_the_longer() {
        for (name, codec) in CONTAINERS {
            for lengths in [[3, 1], [1, 3], [2, 2]] {
                let tones = [mono(400, 0..lengths[0]), mono(1200, 0..lengths[1])];
                let sound = joined(name, codec, &tones, &[]);
                assert_eq!(sound.0.len(), 2);
                let longest = f64::from(lengths[0].max(lengths[1]));
                assert!(
                    (sound.seconds() - longest).abs() < 0.06,
                    "{name} {codec} {lengths:?}: {}",
                    sound.seconds()
                );
                for (channel, (hertz, other)) in [(400, 1200), (1200, 400)].into_iter().enumerate() {
                    let end = f64::from(lengths[channel]);
                    assert_level(&sound, channel, hertz, 0.1..end - 0.02, 0.9);
                    assert_level(&sound, channel, other, 0.1..longest - 0.02, 0.0);
                    if end < longest {
                        assert_level(&sound, channel, hertz, end + 0.06..longest - 0.02, 0.0);
                    }
                }
            }
        }
    }

    #[test]
    fn tracks_that_begin_later_stay_in_step() {
        for (name, codec) in CONTAINERS {
            for starts in [[0, 1], [1, 0], [1, 2], [2, 1]] {
                let tones = [mono(400, starts[0]..3), mono(1200, starts[1]..3)];
                let sound = joined(name, codec, &tones, &[]);
                let beginning = if name == "sound.ts" { starts[0].min(starts[1]) } else { 0 };
                let seconds = f64::from(3 - beginning);
                assert!(
                    (sound.seconds() - seconds).abs() < 0.06,
                    "{name} {codec} {starts:?}: {}",
                    sound.seconds()
                );
                for (channel, hertz) in [400, 1200].into_iter().enumerate() {
                    let start = f64::from(starts[channel] - beginning);
                    // Encoders fade in over a frame.
                    assert_level(&sound, channel, hertz, start + 0.03..seconds - 0.03, 0.9);
                    if start > 0.0 {
                        assert_level(&sound, channel, hertz, 0.0..start - 0.03, 0.0);
                    }
                }
            }
        }
    }

    #[test]
    fn more_tracks_are_mixed_at_one_level_that_neither_clips_nor_fades() {
        let sound = joined("sound.mkv", "flac", &[mono(400, 0..3), mono(1200, 0..1), mono(2500, 1..2)], &[]);
        assert_eq!(sound.0.len(), 1);
        assert_level(&sound, 0, 400, 0.0..1.0, 0.3);
        assert_level(&sound, 0, 400, 2.0..3.0, 0.3);
        assert_level(&sound, 0, 1200, 0.0..1.0, 0.3);
        assert_level(&sound, 0, 2500, 1.0..2.0, 0.3);
        assert_level(&sound, 0, 2500, 0.0..1.0, 0.0);

        // Without the division, any two of these would clip, and so would the six channels alone.
        for (first, second) in [(2, 1), (1, 2), (2, 2), (6, 1), (6, 2)] {
            let tone = |hertz, channels| Tone { hertz, channels, seconds: 0..1 };
            let sound = joined("sound.mkv", "flac", &[tone(400, first), tone(1200, second)], &[]);
            assert_eq!(sound.0.len(), 2);
            for channel in 0..2 {
                assert_level(&sound, channel, 400, 0.0..1.0, 0.45);
                assert_level(&sound, channel, 1200, 0.0..1.0, 0.45);
            }
            assert!(sound.peak() < 1.0, "{first} {second}: {}", sound.peak());
        }
    }

    #[test]
    fn a_part_of_joined_tracks_counts_from_the_beginning_of_the_video() {
        let tones = [mono(400, 1..3), mono(1200, 2..3)];
        let sound = joined("sound.mkv", "pcm_s16le", &tones, &["-ss", "1.5", "-to", "2.5"]);
        assert!((sound.seconds() - 1.0).abs() < 0.001, "{}", sound.seconds());
        assert_level(&sound, 0, 400, 0.0..1.0, 0.9);
        assert_level(&sound, 1, 1200, 0.0..0.49, 0.0);
        assert_level(&sound, 1, 1200, 0.51..1.0, 0.9);
    }

    #[test]
    fn one_track_needs_no_graph_and_tracks_that_the_file_lacks_are_not_in_it() {
        let facts = [mono(400, 0..1).facts(), mono(1200, 0..1).facts()];
        assert_eq!(join_filter(&facts, &[]), None);
        assert_eq!(join_filter(&facts, &[1]), None);
        assert_eq!(join_filter(&facts, &[1, 2]), None);
        assert_eq!(join_filter(&facts, &[0, 1, 2]).unwrap().places, [0, 1]);
    }
}
