//! The table of upload options: the name, the description, the allowed values and the parser of each. The
//! form in the OpenAPI document, the parser and the names in error messages all come from here.

use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::{ConversionOptions, InvalidOption, LoudnessTarget, TagText, position, text};

/// One option of an upload.
pub struct UploadOption {
    /// The name of its field.
    pub name: &'static str,
    /// Its description: the purpose and the values.
    pub words: &'static str,
    values: Values,
    pub(super) set: fn(&mut ConversionOptions, &str) -> Result<(), InvalidOption>,
}

/// The values that an option takes.
enum Values {
    /// One of these. The second field says whether the first of them is the default.
    OneOf(&'static [&'static str], Default),
    Pattern(&'static str),
    UpTo(usize),
    /// Described by `words` only.
    AsSaid,
}

enum Default {
    First,
    Source,
}

impl UploadOption {
    /// The schema of its field in the OpenAPI form.
    #[must_use]
    pub fn schema(&self) -> Object {
        let field = ObjectBuilder::new().schema_type(Type::String).description(Some(self.words));
        match self.values {
            Values::OneOf(values, Default::First) => field
                .enum_values(Some(values.iter().copied()))
                .default(values.first().map(|first| (*first).into())),
            Values::OneOf(values, Default::Source) => field.enum_values(Some(values.iter().copied())),
            Values::Pattern(pattern) => field.pattern(Some(pattern)),
            Values::UpTo(chars) => field.max_length(Some(chars)),
            Values::AsSaid => field,
        }
        .build()
    }
}

/// Every option.
pub const UPLOAD_OPTIONS: &[UploadOption] = &[
    UploadOption {
        name: "format",
        words: "What kind of file is made. Audio in the video that is already in the requested format is copied, not encoded again: AAC \
                for `m4a`, and MP3 for `mp3` without a `quality`.",
        values: Values::OneOf(&["mp3", "m4a", "opus", "flac", "wav"], Default::First),
        set: |options, value| value.parse().map(|format| options.format = format),
    },
    UploadOption {
        name: "quality",
        words: "Variable bit rate quality of an MP3, `V0` (best) to `V9` (smallest); `V2` if neither this nor `bitrate` is given.",
        values: Values::Pattern("^[Vv]?[0-9]$"),
        set: |options, value| value.parse().map(|quality| options.quality = Some(quality)),
    },
    UploadOption {
        name: "bitrate",
        words: "Bit rate in kbit/s (not for `flac` and `wav`; for `opus` up to 256). Constant for `mp3`, a mean for `m4a` (160 by default \
                for stereo) and `opus` (128). Excludes `quality`.",
        values: Values::OneOf(
            &["32", "40", "48", "56", "64", "80", "96", "112", "128", "160", "192", "224", "256", "320"],
            Default::Source,
        ),
        set: |options, value| value.parse().map(|bitrate| options.bitrate = Some(bitrate)),
    },
    UploadOption {
        name: "encoder",
        words: "How a long MP3 is encoded: `parallel` on every core, every frame by itself; `repacked` likewise, but 8 % smaller at V2, since \
                frames then fill the room that others leave (the sound is the same; not with a `bitrate`); `sequential` on one core, \
                with LAME's bit reservoir.",
        values: Values::OneOf(&["parallel", "repacked", "sequential"], Default::First),
        set: |options, value| value.parse().map(|encoder| options.encoder = encoder),
    },
    UploadOption {
        name: "sample_rate",
        words: "Sample rate in Hz, if not the source's. 96000 is for `m4a`, `flac` and `wav`. Opus takes 8000, 12000, 16000, 24000 and \
                48000.",
        values: Values::OneOf(
            &["8000", "11025", "12000", "16000", "22050", "24000", "32000", "44100", "48000", "96000"],
            Default::Source,
        ),
        set: |options, value| value.parse().map(|rate| options.sample_rate = Some(rate)),
    },
    UploadOption {
        name: "channels",
        words: "`1` (mono) or `2` (stereo), if not the source's. An MP3 has two at most either way.",
        values: Values::OneOf(&["1", "2"], Default::Source),
        set: |options, value| value.parse().map(|channels| options.channels = Some(channels)),
    },
    UploadOption {
        name: "start",
        words: "Where to begin: seconds (`62.5`) or `HH:MM:SS.mmm`, exact to the sample.",
        values: Values::AsSaid,
        set: |options, value| position("start", value).map(|start| options.start = Some(start)),
    },
    UploadOption {
        name: "end",
        words: "Where to end, likewise.",
        values: Values::AsSaid,
        set: |options, value| position("end", value).map(|end| options.end = Some(end)),
    },
    UploadOption {
        name: "track",
        words: "Which audio track: its index in the job's `source.audio_tracks`, from 0; its language, as any code of ISO 639 or a tag of BCP \
                47 (`de`, `ger`, `deu` and `de-AT` are one language, and a region is preferred where the video has it); or `all`, which \
                joins the tracks of several microphones: two mono tracks become left and right, others are mixed. Without it, the track \
                that a player would take. Commentaries and descriptions for the blind are taken only where there is nothing else, or by \
                their index.",
        values: Values::UpTo(35),
        set: |options, value| value.parse().map(|track| options.track = Some(track)),
    },
    UploadOption {
        name: "normalize",
        words: "Brings the sound to a loudness (EBU R 128, in two passes): `true` for -23 LUFS, or a number from -36 to -5. True peaks stay \
                below -1 dBTP.",
        values: Values::AsSaid,
        set: |options, value| LoudnessTarget::parse_choice(value).map(|target| options.normalize = target),
    },
    UploadOption {
        name: "title",
        words: "Title instead of the video's, 1 to 250 characters.",
        values: Values::UpTo(TagText::MAX_CHARS),
        set: |options, value| text("title", value).map(|title| options.title = Some(title)),
    },
    UploadOption {
        name: "artist",
        words: "Artist, likewise.",
        values: Values::UpTo(TagText::MAX_CHARS),
        set: |options, value| text("artist", value).map(|artist| options.artist = Some(artist)),
    },
    UploadOption {
        name: "album",
        words: "Album, likewise.",
        values: Values::UpTo(TagText::MAX_CHARS),
        set: |options, value| text("album", value).map(|album| options.album = Some(album)),
    },
    UploadOption {
        name: "cover",
        words: "The picture in an MP3, M4A or FLAC file: `auto` (the default: the one that is embedded in the video, if any), `none`, or the \
                time of a frame as seconds or `HH:MM:SS.mmm`.",
        values: Values::AsSaid,
        set: |options, value| value.parse().map(|cover| options.cover = cover),
    },
    UploadOption {
        name: "metadata",
        words: "`keep` takes over the video's titles, chapters and embedded picture, `strip` does not. Where it was recorded is never taken \
                over.",
        values: Values::OneOf(&["keep", "strip"], Default::First),
        set: |options, value| value.parse().map(|metadata| options.metadata = metadata),
    },
];

/// The names of all options, as a sentence lists them.
pub(super) fn names() -> String {
    let names: Vec<String> = UPLOAD_OPTIONS.iter().map(|option| format!("`{}`", option.name)).collect();
    names.split_last().map_or_else(String::new, |(last, rest)| format!("{} and {last}", rest.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_is_listed_is_taken() {
        for option in UPLOAD_OPTIONS {
            if let Values::OneOf(values, _) = option.values {
                for value in values {
                    let mut options = ConversionOptions::default();
                    assert_eq!((option.set)(&mut options, value), Ok(()), "{}={value}", option.name);
                }
            }
        }
    }

    #[test]
    fn defaults_are_the_first_of_the_list() {
        for option in UPLOAD_OPTIONS {
            if let Values::OneOf([first, ..], Default::First) = option.values {
                let mut options = ConversionOptions::default();
                (option.set)(&mut options, first).unwrap();
                assert_eq!(options, ConversionOptions::default(), "{}", option.name);
            }
        }
    }

    #[test]
    fn names_are_told_for_people() {
        assert!(names().starts_with("`format`, `quality`, ") && names().ends_with("`cover` and `metadata`"));
    }
}
