//! Selects which of a file's audio tracks are taken.

use contracts::{FailureCode, TrackChoice};
use serde::Deserialize;

use super::languages::{Fit, Language};
use crate::engine::error::ConversionError;

/// The facts about an audio track that decide whether it is taken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrackFacts {
    /// Its index among all tracks of the file.
    pub index: u32,
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Whether we can decode it.
    pub is_decodable: bool,
    /// Number of channels; 0 if unknown.
    pub channels: u32,
    /// Sample rate in Hz; 0 if unknown.
    pub sample_rate_hz: u32,
    /// Its language, as the file writes it.
    pub language: Option<String>,
    /// Whether the file marks it as the default for players.
    pub is_default: bool,
    /// Its role.
    pub role: Role,
}

/// A track's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// The original audio of the video.
    Main,
    /// The same in another language.
    Dub,
    /// An addition to the audio: a commentary, a description for the blind, clearer speech, music for
    /// karaoke.
    Special,
}

/// The container's marks for a track, as ffprobe shows them: 1 for yes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Disposition {
    pub default: u8,
    pub attached_pic: u8,
    pub dub: u8,
    pub comment: u8,
    pub karaoke: u8,
    pub hearing_impaired: u8,
    pub visual_impaired: u8,
    pub clean_effects: u8,
    pub descriptions: u8,
    pub dependent: u8,
}

impl Role {
    /// From the container's marks, or from a name such as "Director's commentary".
    pub(crate) fn of<'a>(says: &Disposition, names: impl IntoIterator<Item = &'a str>) -> Self {
        let special = [
            says.comment,
            says.karaoke,
            says.hearing_impaired,
            says.visual_impaired,
            says.clean_effects,
            says.descriptions,
            says.dependent,
        ];
        if special.contains(&1) || names.into_iter().any(is_special_name) {
            Self::Special
        } else if says.dub == 1 {
            Self::Dub
        } else {
            Self::Main
        }
    }
}

/// Whether a track of this name is a commentary or a description for the blind. Most files show this only by
/// the name.
fn is_special_name(name: &str) -> bool {
    // In English, and in languages with a similar word.
    const WORDS: [&str; 9] = [
        "commentar",
        "commentaire",
        "kommentar",
        "comentario",
        "comentário",
        "audiodescri",
        "audiodeskription",
        "descriptive",
        "describedvideo",
    ];
    let is_letter = |c: &char| c.is_alphanumeric();
    let letters: String = name.to_lowercase().chars().filter(is_letter).collect();
    WORDS.iter().any(|word| letters.contains(word))
}

/// The places of the tracks to try, in order, until one has audio. With `all`: the places of the tracks to
/// join, in the file's order.
///
/// Tracks that we cannot decode are left out. With `all`, tracks of [`Role::Special`] are left out too, and
/// tracks with another sample rate than the first: microphones of one recording have the same clock.
///
/// # Errors
/// [`FailureCode::NoSuchTrack`] if no track has the index or language, [`FailureCode::UnsupportedFormat`] if
/// none of those that have it can be decoded.
pub(crate) fn candidates(
    tracks: &[TrackFacts],
    choice: Option<&TrackChoice>,
) -> Result<Vec<usize>, ConversionError> {
    let wanted = match choice {
        None | Some(TrackChoice::All(_)) => in_order(tracks, |_| Some(Fit::Exact)),
        Some(TrackChoice::Index(index)) => vec![usize::from(*index)],
        Some(TrackChoice::Language(tag)) => {
            let wish = Language::parse(tag.as_str());
            in_order(tracks, |track| wish.as_ref()?.fit(track.language.as_deref()?))
        }
    };
    if !wanted.iter().any(|place| *place < tracks.len()) {
        let detail = "no audio stream is of that number or language";
        return Err(ConversionError::failed(FailureCode::NoSuchTrack, detail));
    }
    let decodable: Vec<_> = wanted.into_iter().filter(|place| tracks[*place].is_decodable).collect();
    let Some(first) = decodable.first() else {
        let codecs: Vec<_> = tracks.iter().map(|track| track.codec.as_str()).collect();
        let detail = format!("it cannot be decoded: {codecs:?}");
        return Err(ConversionError::failed(FailureCode::UnsupportedFormat, detail));
    };
    Ok(match choice {
        Some(TrackChoice::All(_)) => of_one_recording(tracks, *first, &decodable),
        Some(TrackChoice::Index(_) | TrackChoice::Language(_)) | None => decodable,
    })
}

/// The matching tracks: original audio before additions, then the better match, then the file's default.
fn in_order(tracks: &[TrackFacts], fit: impl Fn(&TrackFacts) -> Option<Fit>) -> Vec<usize> {
    let mut places: Vec<_> =
        tracks.iter().enumerate().filter_map(|(place, track)| Some((fit(track)?, place))).collect();
    places.sort_by_key(|(fit, place)| {
        let track = &tracks[*place];
        (track.role == Role::Special, *fit, !track.is_default, track.role, *place)
    });
    places.into_iter().map(|(_, place)| place).collect()
}

/// The tracks of the same recording as the first, in the file's order.
fn of_one_recording(tracks: &[TrackFacts], first: usize, places: &[usize]) -> Vec<usize> {
    // A commentary or description is not part of a recording. It is taken alone if there is nothing else.
    if tracks[first].role == Role::Special {
        return vec![first];
    }
    let belongs = |place: &&usize| {
        let track = &tracks[**place];
        track.role != Role::Special && track.sample_rate_hz == tracks[first].sample_rate_hz
    };
    let mut joined: Vec<_> = places.iter().filter(belongs).copied().collect();
    joined.sort_unstable();
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACK: TrackFacts = TrackFacts {
        index: 0,
        codec: String::new(),
        is_decodable: true,
        channels: 2,
        sample_rate_hz: 48_000,
        language: None,
        is_default: false,
        role: Role::Main,
    };

    /// A track described in words: its language, `default`, `dub`, `special`, `undecodable`, `mono`, `44100`.
    fn track(words: &str) -> TrackFacts {
        let mut track = TRACK;
        for word in words.split_whitespace() {
            match word {
                "default" => track.is_default = true,
                "dub" => track.role = Role::Dub,
                "special" => track.role = Role::Special,
                "undecodable" => track.is_decodable = false,
                "mono" => track.channels = 1,
                "44100" => track.sample_rate_hz = 44_100,
                language => track.language = Some(language.to_owned()),
            }
        }
        track
    }

    fn chosen(tracks: &[&str], choice: &str) -> Result<Vec<usize>, FailureCode> {
        let tracks: Vec<_> = tracks.iter().map(|words| track(words)).collect();
        let choice: Option<TrackChoice> =
            Some(choice).filter(|text| *text != "-").map(|text| text.parse().unwrap());
        candidates(&tracks, choice.as_ref()).map_err(|error| error.code().unwrap())
    }

    #[test]
    fn without_a_choice_the_default_comes_first_and_what_is_made_beside_the_sound_last() {
        for (tracks, expected) in [
            (&["", ""][..], &[0, 1][..]),
            (&["", "default"], &[1, 0]),
            (&["default", "default"], &[0, 1]),
            (&["mono", "default"], &[1, 0]),
            (&["special default", ""], &[1, 0]),
            (&["special", "", "special default", "default"], &[3, 1, 2, 0]),
            (&["dub", ""], &[1, 0]),
            (&["dub default", ""], &[0, 1]),
            (&["special", "dub"], &[1, 0]),
            (&["special"], &[0]),
            (&["undecodable default", "", "default"], &[2, 1]),
            (&["undecodable", "special"], &[1]),
        ] {
            assert_eq!(chosen(tracks, "-").as_deref(), Ok(expected), "{tracks:?}");
        }
        assert_eq!(chosen(&["undecodable", "undecodable"], "-"), Err(FailureCode::UnsupportedFormat));
    }

    #[test]
    fn an_index_is_that_track_and_no_other() {
        let tracks = ["default", "special", "undecodable"];
        assert_eq!(chosen(&tracks, "0"), Ok(vec![0]));
        assert_eq!(chosen(&tracks, "1"), Ok(vec![1]));
        assert_eq!(chosen(&tracks, "2"), Err(FailureCode::UnsupportedFormat));
        assert_eq!(chosen(&tracks, "3"), Err(FailureCode::NoSuchTrack));
        assert_eq!(chosen(&tracks, "65535"), Err(FailureCode::NoSuchTrack));
    }

    #[test]
    fn of_a_language_the_sound_comes_before_what_is_made_beside_it() {
        for (tracks, choice, expected) in [
            (&["eng", "deu"][..], "de", &[1][..]),
            (&["en-US default", "ger", "de-AT"], "deu", &[1, 2]),
            (&["deu", "de-AT", "de-CH"], "de-AT", &[1, 0, 2]),
            (&["de-CH default", "deu", "de-AT"], "de-AT", &[2, 1, 0]),
            (&["deu", "deu default"], "de", &[1, 0]),
            (&["deu mono", "deu"], "de", &[0, 1]),
            (&["deu special default", "eng", "deu"], "de", &[2, 0]),
            (&["de-AT special", "deu"], "de-AT", &[1, 0]),
            (&["eng", "deu special"], "de", &[1]),
            (&["deu dub", "deu"], "de", &[1, 0]),
            (&["deu undecodable", "de-AT"], "de", &[1]),
            (&["", "und", "pt_BR"], "por", &[2]),
        ] {
            assert_eq!(chosen(tracks, choice).as_deref(), Ok(expected), "{tracks:?} {choice}");
        }
        assert_eq!(chosen(&["deu undecodable", "eng"], "de"), Err(FailureCode::UnsupportedFormat));
        for choice in ["fr", "und", "mul", "zxx", "qaa"] {
            assert_eq!(
                chosen(&["deu", "und", "mul", "zxx", ""], choice),
                Err(FailureCode::NoSuchTrack),
                "{choice}"
            );
        }
    }

    #[test]
    fn all_are_those_of_one_recording_in_the_files_order() {
        for (tracks, expected) in [
            (&["mono", "mono default", "mono"][..], &[0, 1, 2][..]),
            (&["mono", "special", "", "undecodable"], &[0, 2]),
            (&["44100", "default", ""], &[1, 2]),
            (&["44100", "", "44100"], &[0, 2]),
            (&["special", "special default"], &[1]),
            (&["", ""], &[0, 1]),
            (&["eng", "deu dub"], &[0, 1]),
        ] {
            assert_eq!(chosen(tracks, "all").as_deref(), Ok(expected), "{tracks:?}");
        }
        assert_eq!(chosen(&["undecodable"], "all"), Err(FailureCode::UnsupportedFormat));
    }

    #[test]
    fn a_track_is_special_by_its_dispositions_or_its_name() {
        let role = |json: &str, names: &[&str]| {
            Role::of(&serde_json::from_str(json).unwrap(), names.iter().copied())
        };
        for word in [
            "comment",
            "karaoke",
            "hearing_impaired",
            "visual_impaired",
            "clean_effects",
            "descriptions",
            "dependent",
        ] {
            assert_eq!(role(&format!(r#"{{ "default": 1, "{word}": 1 }}"#), &[]), Role::Special, "{word}");
            assert_eq!(role(&format!(r#"{{ "{word}": 0 }}"#), &[]), Role::Main, "{word}");
        }
        assert_eq!(role(r#"{ "default": 1, "dub": 1 }"#, &[]), Role::Dub);
        for name in [
            "Director's Commentary",
            "COMMENTARY with cast",
            "Commentaries",
            "Audio Description",
            "audio-description (UK)",
            "English Descriptive Audio",
            "Described Video",
            "Audiodeskription",
            "Audiodescripción",
            "Kommentar des Regisseurs",
            "Commentaire audio",
            "Comentário do diretor",
        ] {
            assert_eq!(role("{}", &["SoundHandler", name]), Role::Special, "{name}");
        }
        for name in
            ["", "Stereo", "English", "Surround 5.1", "SoundHandler", "Audio", "Comments off", "Kommando"]
        {
            assert_eq!(role("{}", &[name]), Role::Main, "{name}");
        }
    }
}
