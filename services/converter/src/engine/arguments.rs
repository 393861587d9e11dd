//! The arguments of every FFmpeg that is started.
//!
//! Of what a user wrote there are only titles in them, as values of `-metadata`: each argument is one string of an array, and
//! no shell reads it.

use contracts::{AudioFormat, Bitrate, Channels, ConversionOptions, Metadata, Mp3Rate};

use super::loudness::{Gain, KEYS};
use super::recipe::{Picture, Recipe};
use super::restrictions::{Input, input_options, picture_options};

/// Names in a video's metadata that say where it was made, or how its container is laid out: nothing of that belongs
/// into an audio file. Titles, artists and the like do.
const METADATA_LEFT_OUT: [&str; 6] = [
    "location",
    "location-eng",
    "com.apple.quicktime.location.ISO6709",
    "major_brand",
    "minor_version",
    "compatible_brands",
];

/// What FFmpeg's `libmp3lame` takes. One filter sets everything: of two, FFmpeg gives up on the rate between them.
const MP3_SAMPLE_RATES: &str = "44100|48000|32000|22050|24000|16000|11025|12000|8000";

/// What each kind of file is told about.
const TAG: [&str; 2] = ["-id3v2_version", "4"];

/// In writes of 32 KiB instead of one for each packet: every one of them wakes us.
const BUFFERED: [&str; 2] = ["-flush_packets", "0"];

/// Where the cover is, in the scratch directory.
pub(crate) const COVER: &str = "cover.jpg";

/// An array of arguments in the making.
#[derive(Debug, Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add<const N: usize>(&mut self, texts: [&str; N]) {
        self.0.extend(texts.map(str::to_owned));
    }

    fn option(&mut self, name: &str, value: String) {
        self.0.extend([name.to_owned(), value]);
    }

    /// How FFmpeg opens a stranger's file.
    fn open(&mut self, input: Input<'_>) {
        self.begin();
        self.0.extend(input_options(input.max_tracks));
        self.add(["-i", input.file]);
    }

    fn write(&mut self, name: &str) {
        self.option("-y", format!("file:{name}"));
    }

    fn begin(&mut self) {
        self.add(["-hide_banner", "-nostdin", "-loglevel", "level+warning"]);
    }

    /// The picture that was made of the file's, at the time where the selection begins: an earlier one would be cut off.
    fn open_cover(&mut self, recipe: &Recipe) {
        if recipe.picture.is_some() {
            self.add(["-protocol_whitelist", "file", "-f", "mjpeg"]);
            self.offset(&recipe.options);
            self.option("-i", format!("file:{COVER}"));
        }
    }

    fn offset(&mut self, options: &ConversionOptions) {
        if let Some(start) = options.start {
            self.option("-itsoffset", start.to_string());
        }
    }

    fn select(&mut self, options: &ConversionOptions) {
        if let Some(start) = options.start {
            self.option("-ss", start.to_string());
        }
        if let Some(end) = options.end {
            self.option("-to", end.to_string());
        }
    }

    /// Titles, chapters and the picture, which is input 1.
    fn describe(&mut self, recipe: &Recipe) {
        let options = &recipe.options;
        if recipe.picture.is_some() {
            self.add(["-map", "1:v:0", "-c:v", "copy", "-disposition:v:0", "attached_pic"]);
            self.add(["-metadata:s:v:0", "comment=Cover (front)"]);
        }
        match options.metadata {
            Metadata::Keep => {
                let titles =
                    if recipe.has_titles { format!("0:s:a:{}", recipe.track.place) } else { "0".to_owned() };
                self.option("-map_metadata", titles);
                self.add(["-map_chapters", "0"]);
                for name in METADATA_LEFT_OUT {
                    self.option("-metadata", format!("{name}="));
                }
            }
            Metadata::Strip => self.add(["-map_metadata", "-1", "-map_chapters", "-1"]),
        }
        // The names of the container's parts, and tools that made them.
        self.add(["-map_metadata:s:a", "-1"]);
        for (name, text) in
            [("title", &options.title), ("artist", &options.artist), ("album", &options.album)]
        {
            if let Some(text) = text {
                self.option("-metadata", format!("{name}={}", text.as_str()));
            }
        }
    }

    fn filter(&mut self, filters: &[String]) {
        if !filters.is_empty() {
            self.option("-af", filters.join(","));
        }
    }

    /// The finished sound as PCM on the standard output, for whoever measures or encodes it.
    fn tap(&mut self, recipe: &Recipe) {
        self.option("-map", format!("0:a:{}", recipe.track.place));
        self.select(&recipe.options);
        self.filter(&filters(recipe, Some("flt")));
        self.add(["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-c:a", "pcm_f32le"]);
        self.add(BUFFERED);
        self.add(["-f", "wav", "pipe:1"]);
    }
}

/// Makes the whole file.
pub(crate) fn whole(input: Input<'_>, recipe: &Recipe, output: &str) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.open(input);
    arguments.open_cover(recipe);
    arguments.option("-map", format!("0:a:{}", recipe.track.place));
    arguments.select(&recipe.options);
    arguments.describe(recipe);
    if recipe.copies {
        arguments.add(["-c:a", "copy"]);
    } else {
        arguments.filter(&filters(recipe, None));
        arguments.0.extend(codec(recipe));
    }
    match recipe.options.format {
        AudioFormat::Mp3 => {
            arguments.add(["-write_xing", "1"]);
            arguments.add(TAG);
            arguments.add(["-f", "mp3"]);
        }
        // Players show the length before they have the end.
        AudioFormat::M4a => arguments.add(["-movflags", "+faststart", "-f", "ipod"]),
        AudioFormat::Opus => arguments.add(["-f", "ogg"]),
        AudioFormat::Flac => arguments.add(["-f", "flac"]),
        // Beyond 4 GiB as RF64.
        AudioFormat::Wav => arguments.add(["-rf64", "auto", "-f", "wav"]),
    }
    arguments.write(output);
    arguments.tap(recipe);
    arguments.0
}

/// Decodes, for encoders that take turns.
pub(crate) fn decoder(input: Input<'_>, recipe: &Recipe) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.open(input);
    arguments.tap(recipe);
    arguments.0
}

/// Encodes what a decoder wrote, which comes in on the standard input.
pub(crate) fn encoder(rate: Mp3Rate) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.begin();
    // In packets of 64 KiB instead of 4: each of them costs FFmpeg something.
    arguments.add(["-protocol_whitelist", "pipe", "-f", "wav", "-max_size", "65536", "-i", "pipe:0"]);
    arguments.0.extend(lame(rate));
    arguments.add(["-reservoir", "0", "-write_xing", "0", "-id3v2_version", "0"]);
    arguments.add(BUFFERED);
    arguments.add(["-f", "mp3", "pipe:1"]);
    arguments.0
}

/// Makes an MP3 of the file's titles, chapters and picture and of a moment of silence, which comes in as [`SILENCE`].
pub(crate) fn tag(input: Input<'_>, recipe: &Recipe, output: &str) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.open(input);
    arguments.open_cover(recipe);
    arguments.add(["-protocol_whitelist", "pipe", "-f", "s16le", "-ar", "44100", "-ac", "1"]);
    arguments.offset(&recipe.options);
    arguments.add(["-i", "pipe:0"]);
    let silence = if recipe.picture.is_some() { "2:a:0" } else { "1:a:0" };
    arguments.add(["-map", silence]);
    arguments.select(&recipe.options);
    arguments.describe(recipe);
    arguments.add(["-c:a", "libmp3lame", "-write_xing", "0"]);
    arguments.add(TAG);
    arguments.add(["-f", "mp3"]);
    arguments.write(output);
    arguments.0
}

/// Two frames of it.
pub(crate) const SILENCE: [u8; 2 * 2 * 1152] = [0; 2 * 2 * 1152];

/// Makes the cover: a JPEG of at most a thousand pixels each way, encoded anew, so that nothing of a stranger's picture is
/// passed on but what can be seen.
pub(crate) fn cover(input: Input<'_>, picture: Picture) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.begin();
    arguments.0.extend(picture_options(input.max_tracks));
    if let Picture::Frame(position) = picture {
        arguments.option("-ss", position.to_string());
    }
    arguments.add(["-i", input.file, "-map"]);
    arguments.0.push(match picture {
        Picture::Embedded(stream) => format!("0:{stream}"),
        // The first that is no embedded picture.
        Picture::Frame(_) => "0:V:0".to_owned(),
    });
    let fit = "scale=w='min(1000,iw)':h='min(1000,ih)':force_original_aspect_ratio=decrease,format=yuvj420p";
    arguments.add(["-frames:v", "1", "-vf", fit, "-map_metadata", "-1", "-fflags", "+bitexact"]);
    arguments.add(["-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg"]);
    arguments.write(COVER);
    arguments.0
}

/// Measures the loudness of what will be encoded, and prints a line for each value of each tenth of a second.
pub(crate) fn loudness(input: Input<'_>, recipe: &Recipe) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.open(input);
    arguments.option("-map", format!("0:a:{}", recipe.track.place));
    let mut chain: Vec<String> = shape(recipe, None).into_iter().collect();
    let bound = |name, position: Option<contracts::Position>| position.map(|at| format!("{name}={at}"));
    let bounds = [bound("start", recipe.options.start), bound("end", recipe.options.end)];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if !bounds.is_empty() {
        chain.push(format!("atrim={}", bounds.join(":")));
    }
    chain.push("ebur128=peak=true:metadata=1".to_owned());
    for key in KEYS {
        chain.push(format!("ametadata=mode=print:key={key}:file=-"));
    }
    arguments.filter(&chain);
    arguments.add(["-f", "null", "-"]);
    arguments.0
}

/// What the sound goes through, in samples of this format if it matters.
fn filters(recipe: &Recipe, samples: Option<&str>) -> Vec<String> {
    let gain = recipe.gain.iter().flat_map(Gain::filters);
    // The shape again behind the gain, which may have been worked out at another rate.
    let shape = shape(recipe, samples);
    if recipe.gain.is_some() {
        shape.clone().into_iter().chain(gain).chain(shape).collect()
    } else {
        shape.into_iter().collect()
    }
}

/// Sample rate and channels, as far as they are asked for or the format needs it.
fn shape(recipe: &Recipe, samples: Option<&str>) -> Option<String> {
    let options = &recipe.options;
    let is_mp3 = options.format == AudioFormat::Mp3;
    let rates = match options.sample_rate {
        Some(rate) => Some(rate.hertz().to_string()),
        None if is_mp3 => Some(mp3_sample_rates(options.bitrate).to_owned()),
        None => None,
    };
    let layouts = match options.channels.map(Channels::count) {
        Some(1) => Some("mono"),
        Some(_) => Some("stereo"),
        None if is_mp3 => Some("mono|stereo"),
        None => None,
    };
    let part = |name, value: Option<&str>| value.map(|value| format!("{name}={value}"));
    let parts = [
        part("sample_fmts", samples),
        part("sample_rates", rates.as_deref()),
        part("channel_layouts", layouts),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { None } else { Some(format!("aformat={}", parts.join(":"))) }
}

/// The sample rates at which a bit rate exists (ISO/IEC 13818-3, 2.4.2.3; LAME's limit for MPEG 2.5). Without this LAME
/// silently takes a lower bit rate for a recording of a lower sample rate.
fn mp3_sample_rates(bitrate: Option<Bitrate>) -> &'static str {
    match bitrate.map_or(0, Bitrate::kilobits_per_second) {
        ..=64 => MP3_SAMPLE_RATES,
        65..=160 => "16000|22050|24000|32000|44100|48000",
        161.. => "32000|44100|48000",
    }
}

/// What the encoder of the format is told.
fn codec(recipe: &Recipe) -> Vec<String> {
    let (name, quality) = match recipe.options.format {
        AudioFormat::Mp3 => return lame(recipe.options.mp3_rate()),
        AudioFormat::M4a => ("aac", ["-b:a".to_owned(), mean_bitrate(recipe, 80)]),
        AudioFormat::Opus => ("libopus", ["-b:a".to_owned(), mean_bitrate(recipe, 64)]),
        AudioFormat::Flac => {
            ("flac", ["-sample_fmt".to_owned(), if recipe.track.is_deep { "s32" } else { "s16" }.to_owned()])
        }
        AudioFormat::Wav => {
            let name = if recipe.track.is_deep { "pcm_s24le" } else { "pcm_s16le" };
            return vec!["-c:a".to_owned(), name.to_owned()];
        }
    };
    ["-c:a".to_owned(), name.to_owned()].into_iter().chain(quality).collect()
}

/// What was asked for, or so much for each channel.
fn mean_bitrate(recipe: &Recipe, kilobits_per_channel: u32) -> String {
    let channels = recipe.options.channels.map_or(recipe.track.channels, |channels| channels.count().into());
    let asked = recipe.options.bitrate.map(|bitrate| u32::from(bitrate.kilobits_per_second()));
    format!("{}k", asked.unwrap_or(kilobits_per_channel * channels.clamp(1, 6)))
}

fn lame(rate: Mp3Rate) -> Vec<String> {
    let (name, value) = match rate {
        Mp3Rate::Quality(quality) => ("-q:a", quality.level().to_string()),
        Mp3Rate::Bitrate(bitrate) => ("-b:a", format!("{}k", bitrate.kilobits_per_second())),
    };
    vec!["-c:a".to_owned(), "libmp3lame".to_owned(), name.to_owned(), value]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Input<'_> = Input { file: "file:source", max_tracks: 100 };

    fn line(fields: &[(&str, &str)]) -> String {
        let options = ConversionOptions::parse(fields.iter().copied()).unwrap();
        whole(SOURCE, &Recipe::guess(&options, false).unwrap(), "out").join(" ")
    }

    #[track_caller]
    fn has(line: &str, part: &str) {
        assert!(line.contains(part), "{part:?} is not in {line}");
    }

    #[test]
    fn options_become_arguments() {
        has(&line(&[("quality", "V0"), ("track", "1")]), "-map 0:a:1 ");
        has(&line(&[("quality", "V0")]), "-c:a libmp3lame -q:a 0 -write_xing");
        has(&line(&[("bitrate", "64")]), "-b:a 64k");
        has(
            &line(&[("bitrate", "320")]),
            "-af aformat=sample_rates=32000|44100|48000:channel_layouts=mono|stereo",
        );
        has(&line(&[("start", "1:00"), ("end", "90.5")]), "-ss 60.000000 -to 90.500000");
        has(&line(&[("format", "m4a")]), "-c:a copy -movflags");
        has(
            &line(&[("format", "m4a"), ("channels", "1")]),
            "-af aformat=channel_layouts=mono -c:a aac -b:a 80k",
        );
        has(&line(&[("format", "opus")]), "-c:a libopus -b:a 128k -f ogg");
        has(
            &line(&[("format", "wav"), ("sample_rate", "16000")]),
            "-af aformat=sample_rates=16000 -c:a pcm_s16le",
        );
        has(&line(&[("metadata", "strip")]), "-map_metadata -1 -map_chapters -1");
    }

    #[test]
    fn a_title_is_one_argument_whatever_it_holds() {
        let title = "-y /etc/passwd; $(id) \"'";
        let options = ConversionOptions::parse([("title", title)]).unwrap();
        let arguments = whole(SOURCE, &Recipe::guess(&options, false).unwrap(), "out");
        let holding = arguments.iter().filter(|argument| argument.contains("passwd"));
        assert_eq!(holding.collect::<Vec<_>>(), [&format!("title={title}")]);
    }
}
