//! The arguments of every FFmpeg process.
//!
//! They contain no text of a user: titles are in a file ([`ABOUT`]). Each argument is one string of an array,
//! and no shell reads it.

mod codec;
mod filters;

use contracts::{AudioFormat, Mp3Rate};

use self::codec::{codec, lame};
pub(crate) use self::filters::LOUDNESS_KEYS;
use self::filters::{loudness_filters, sound_filters};

use super::recipe::{Picture, Recipe};
use super::restrictions::Input;
use crate::engine::sound::Format;
use crate::engine::source::description::SQUARE_PIXELS;

/// Writes of 32 KiB instead of one for each packet: each write wakes this process.
const BUFFERED: [&str; 2] = ["-flush_packets", "0"];

/// The cover's file name in the scratch directory.
pub(crate) const COVER: &str = "cover.jpg";

/// The file in the scratch directory with the titles and chapters for the finished file.
pub(crate) const ABOUT: &str = "about.txt";

/// Seconds that are decoded past the requested end, because packet times are only hints.
const MARGIN_SECONDS: f64 = 5.0;

/// A list of arguments under construction.
#[derive(Debug)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add<const N: usize>(&mut self, texts: [&str; N]) {
        self.0.extend(texts.map(str::to_owned));
    }

    fn option(&mut self, name: &str, value: String) {
        self.0.extend([name.to_owned(), value]);
    }

    fn begin(log: &str) -> Self {
        Self(["-hide_banner", "-nostdin", "-nostats", "-loglevel", log].map(str::to_owned).into())
    }

    /// The arguments that open an untrusted file.
    fn open(input: Input<'_>) -> Self {
        // At this level FFmpeg ends with a summary of what it read and decoded.
        let mut arguments = Self::begin("level+verbose");
        arguments.0.extend(input.options());
        // FFmpeg must not correct a clock that jumps: the timeline decides about that.
        arguments.add(["-dts_delta_threshold", "1000000000", "-i", input.file]);
        arguments
    }

    /// The arguments that open decoded audio on the standard input.
    fn open_sound() -> Self {
        let mut arguments = Self::begin("level+warning");
        // In packets of 64 KiB instead of 4 KiB, because each packet has a cost.
        arguments.add(["-protocol_whitelist", "pipe", "-f", "wav", "-max_size", "65536", "-i", "pipe:0"]);
        arguments
    }

    /// Adds the description, which is input 1, and its picture, which is input 2.
    fn describe(&mut self, recipe: &Recipe) {
        self.add(["-protocol_whitelist", "file", "-f", "ffmetadata"]);
        self.option("-i", format!("file:{ABOUT}"));
        if recipe.picture.is_some() {
            self.add(["-protocol_whitelist", "file", "-f", "mjpeg"]);
            self.option("-i", format!("file:{COVER}"));
            self.add(["-map", "2:v:0", "-c:v", "copy", "-disposition:v:0", "attached_pic"]);
            self.add(["-metadata:s:v:0", "comment=Cover (front)"]);
        }
        self.add(["-map_metadata", "1", "-map_chapters", "1"]);
        if recipe.options.format == AudioFormat::M4a {
            // The language, which M4A stores with the track.
            self.add(["-map_metadata:s:a:0", "1:s:0"]);
        } else {
            // Drops the container's own names of its parts, and the names of the tools that made them.
            self.add(["-map_metadata:s:a", "-1"]);
        }
    }

    /// Selects the track, or the tracks to join, and their filters.
    fn take(&mut self, recipe: &Recipe, filters: &[String]) {
        if let Some(join) = &recipe.join {
            self.option("-filter_complex", format!("{},{}[joined]", join.graph, filters.join(",")));
            self.add(["-map", "[joined]"]);
        } else {
            self.option("-map", format!("0:a:{}", recipe.track.place));
            self.option("-af", filters.join(","));
        }
    }

    /// Sends the decoded audio with its times to the standard output.
    fn tap(&mut self, recipe: &Recipe) {
        self.take(recipe, &sound_filters(recipe));
        if let Some(end) = recipe.options.end {
            let end = end.seconds() - recipe.track.clock_seconds;
            self.option("-to", format!("{:.6}", end.max(0.0) + MARGIN_SECONDS));
        }
        self.add(["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-c:a", "pcm_f32le"]);
        self.add(BUFFERED);
        self.add(["-f", "matroska", "pipe:1"]);
    }

    /// Sets the file's format and name.
    fn write(&mut self, format: AudioFormat, name: &str) {
        match format {
            // Our own tag is put in front of it.
            AudioFormat::Mp3 => self.add(["-write_xing", "1", "-id3v2_version", "0", "-f", "mp3"]),
            // The index at the front lets players show the length before they have the whole file.
            AudioFormat::M4a => self.add(["-movflags", "+faststart", "-f", "ipod"]),
            AudioFormat::Opus => self.add(["-f", "ogg"]),
            AudioFormat::Flac => self.add(["-f", "flac"]),
            // RF64 above 4 GiB.
            AudioFormat::Wav => self.add(["-rf64", "auto", "-f", "wav"]),
        }
        self.option("-y", format!("file:{name}"));
    }
}

/// Lists a file's tracks in the log. FFmpeg then ends, because it has no output.
pub(crate) fn list(input: Input<'_>) -> Vec<String> {
    let mut arguments = Arguments::begin("level+info");
    arguments.0.extend(input.options());
    arguments.add(["-i", input.file]);
    arguments.0
}

/// Decodes the source.
pub(crate) fn decode(input: Input<'_>, recipe: &Recipe) -> Vec<String> {
    let mut arguments = Arguments::open(input);
    arguments.tap(recipe);
    arguments.0
}

/// Whether the decoder's output for one recipe also suits the other.
pub(crate) fn decode_alike(one: &Recipe, other: &Recipe) -> bool {
    let input = Input { file: "", max_tracks: 0, is_patient: false };
    !one.copies && !other.copies && decode(input, one) == decode(input, other)
}

/// Copies the audio into a file and decodes it at the same time.
pub(crate) fn copy(input: Input<'_>, recipe: &Recipe, output: &str) -> Vec<String> {
    let mut arguments = Arguments::open(input);
    arguments.describe(recipe);
    arguments.option("-map", format!("0:a:{}", recipe.track.place));
    arguments.add(["-c:a", "copy"]);
    if recipe.track.start_seconds > 0.0 {
        arguments.option("-output_ts_offset", format!("{:.6}", -recipe.track.start_seconds));
    }
    arguments.write(recipe.options.format, output);
    arguments.tap(recipe);
    arguments.0
}

/// Encodes decoded audio from the standard input to a whole file.
pub(crate) fn encode_whole(recipe: &Recipe, format: Format, output: &str) -> Vec<String> {
    let mut arguments = Arguments::open_sound();
    arguments.describe(recipe);
    arguments.add(["-map", "0:a:0"]);
    arguments.0.extend(codec(recipe, format));
    arguments.write(recipe.options.format, output);
    arguments.0
}

/// Encodes decoded audio from the standard input to MP3 frames: all of it, or a segment of it.
pub(crate) fn encode_frames(rate: Mp3Rate, is_segment: bool) -> Vec<String> {
    let mut arguments = Arguments::open_sound();
    arguments.0.extend(lame(rate));
    if is_segment {
        arguments.add(["-reservoir", "0"]);
    }
    arguments.add(["-write_xing", "0", "-id3v2_version", "0"]);
    arguments.add(BUFFERED);
    arguments.add(["-f", "mp3", "pipe:1"]);
    arguments.0
}

/// Writes a finished file again with another description.
pub(crate) fn describe_again(recipe: &Recipe, file: &str, output: &str) -> Vec<String> {
    let format = recipe.options.format;
    let mut arguments = Arguments::begin("level+warning");
    arguments.add(["-protocol_whitelist", "file", "-f", demuxer(format)]);
    arguments.option("-i", format!("file:{file}"));
    arguments.describe(recipe);
    arguments.add(["-map", "0:a:0", "-c:a", "copy"]);
    arguments.write(format, output);
    arguments.0
}

/// Decodes a finished file for the summary that FFmpeg prints at its end.
pub(crate) fn verify(format: AudioFormat, name: &str) -> Vec<String> {
    let mut arguments = Arguments::begin("level+verbose");
    arguments.add(["-protocol_whitelist", "file", "-f", demuxer(format), "-threads", "1"]);
    arguments.option("-i", format!("file:{name}"));
    arguments.add(["-map", "0:a:0", "-f", "null", "-"]);
    arguments.0
}

fn demuxer(format: AudioFormat) -> &'static str {
    match format {
        AudioFormat::Mp3 => "mp3",
        AudioFormat::M4a => "mov",
        AudioFormat::Opus => "ogg",
        AudioFormat::Flac => "flac",
        AudioFormat::Wav => "wav",
    }
}

/// Makes the cover: a JPEG of at most a thousand pixels each way. It is encoded anew, so that only the
/// visible picture is passed on, and no metadata.
pub(crate) fn cover(input: Input<'_>, picture: Picture) -> Vec<String> {
    let mut arguments = Arguments::begin("level+warning");
    arguments.0.extend(input.picture_options());
    if let Picture::Frame(position) = picture {
        arguments.option("-ss", position.to_string());
    }
    arguments.add(["-i", input.file, "-map"]);
    arguments.0.push(match picture {
        Picture::Embedded(stream) => format!("0:{stream}"),
        // The first video track that is not an embedded picture.
        Picture::Frame(_) => "0:V:0".to_owned(),
    });
    arguments.add(["-frames:v", "1", "-vf", SQUARE_PIXELS, "-map_metadata", "-1", "-fflags", "+bitexact"]);
    arguments.add(["-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg"]);
    arguments.option("-y", format!("file:{COVER}"));
    arguments.0
}

/// Measures the loudness of the audio to be encoded. Prints a line for each value, ten times a second.
pub(crate) fn loudness(input: Input<'_>, recipe: &Recipe) -> Vec<String> {
    let mut arguments = Arguments::open(input);
    arguments.take(recipe, &loudness_filters(recipe));
    arguments.add(["-f", "null", "-"]);
    arguments.0
}

#[cfg(test)]
mod tests {
    use contracts::ConversionOptions;

    use super::*;

    const SOURCE: Input<'_> = Input { file: "file:source", max_tracks: 100, is_patient: false };
    const STEREO: Format = Format { channels: 2, sample_rate_hz: 44_100 };

    fn recipe(fields: &[(&str, &str)]) -> Recipe {
        let options = ConversionOptions::parse(fields.iter().copied()).unwrap();
        Recipe::usual(&options)
    }

    fn decoded(fields: &[(&str, &str)]) -> String {
        decode(SOURCE, &recipe(fields)).join(" ")
    }

    fn encoded(fields: &[(&str, &str)]) -> String {
        encode_whole(&recipe(fields), STEREO, "out").join(" ")
    }

    #[track_caller]
    fn has(line: &str, part: &str) {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }

    #[test]
    fn options_become_arguments() {
        has(&decoded(&[("quality", "V0"), ("track", "1")]), "-map 0:a:1 ");
        has(
            &decoded(&[("bitrate", "320")]),
            "-af aformat=sample_fmts=flt:sample_rates=32000|44100|48000:channel_layouts=mono|stereo ",
        );
        has(&decoded(&[("start", "1:00"), ("end", "90.5")]), "-to 95.500000 ");
        has(&decoded(&[("format", "wav"), ("sample_rate", "16000")]), "sample_rates=16000:");
        has(&decoded(&[("format", "m4a"), ("channels", "1")]), "channel_layouts=mono ");
        has(&encoded(&[("format", "m4a")]), "-c:a aac -b:a 160k -movflags");
        has(&encoded(&[("format", "opus"), ("bitrate", "96")]), "-c:a libopus -b:a 96k -f ogg");
        has(&encoded(&[("format", "wav")]), "-c:a pcm_s16le ");
    }

    #[test]
    fn an_encoder_makes_bare_frames_with_or_without_the_reservoir() {
        let options = ConversionOptions::parse([("bitrate", "64")]).unwrap();
        let line = |is_segment| encode_frames(options.mp3_rate(), is_segment).join(" ");
        has(&line(true), "-c:a libmp3lame -b:a 64k -reservoir 0 -write_xing 0 -id3v2_version 0");
        has(&line(false), "-c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0");
    }

    #[test]
    fn channels_without_names_are_mixed_to_both_sides() {
        let mut recipe = recipe(&[("format", "flac")]);
        (recipe.track.channels, recipe.track.layout) = (9, None);
        has(&decode(SOURCE, &recipe).join(" "), "-af pan=stereo|FL<c0+c2+c4+c6+c8|FR<c1+c3+c5+c7,aformat=");
    }
}
