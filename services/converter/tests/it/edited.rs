//! Random edits of random sources. A conversion may fail, but a successful one has all of the audio. `EDITS`
//! is the number of edits, `SEED` the first one. An edit depends only on its number: `SEED=4711 EDITS=1`
//! repeats one.

use contracts::{AudioFormat, ConversionOptions, FailureCode};
use converter::engine::ConversionError;
use futures_util::{StreamExt as _, stream};
use test_kit::edits::{Edit, Part};
use test_kit::seeded::Random;
use test_kit::sound::{Comparison, Sound, Timing};
use test_kit::sources::{SOURCES, Source};

use crate::bench::{Bench, Mp3};

/// Long enough for a gap and for three seconds of delay.
const SECONDS: u32 = 8;

/// A file after an edit.
struct Edited {
    edit: Edit,
    bytes: Vec<u8>,
    /// The audio that plain FFmpeg decodes from it.
    expected: Option<Sound>,
}

impl Edited {
    async fn make(source: Source, edit: Edit, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes = edit.apply(source, SECONDS, seed, folder.path()).await.unwrap();
        let path = folder.path().join("edited");
        tokio::fs::write(&path, &bytes).await.unwrap();
        // FFmpeg ignores empty chunks in AVI files. It does see a gap in a file with times.
        if matches!(edit, Edit::Gap(..)) && source.name == "mp3.avi" {
            let twin = Source { name: "mp3.mkv", ..source };
            let twin = edit.apply(twin, SECONDS, seed, folder.path()).await.unwrap();
            tokio::fs::write(&path, &twin).await.unwrap();
        }
        let expected = Sound::of(&path, Timing::OnTheClock).await.unwrap();
        Self { edit, bytes, expected }
    }

    /// Converts the file. Returns the result, and a description of its fault if there is one.
    async fn convert(&self, bench: &Bench, format: AudioFormat) -> (Option<Mp3>, Option<String>) {
        let options = ConversionOptions { format, ..ConversionOptions::default() };
        let converted = match bench.convert_bytes(&self.bytes, options).await {
            Ok(converted) => converted,
            Err(error) => return (None, self.judge_failure(&error)),
        };
        let wrong = self.judge(&converted).await;
        (Some(converted), wrong.map(|wrong| format!("as {}: {wrong}", format.as_str())))
    }

    async fn judge(&self, converted: &Mp3) -> Option<String> {
        let actual = Sound::of(&converted.converted.path, Timing::AsDecoded).await.unwrap();
        let Some(actual) = actual else { return Some("there is no sound in the result".to_owned()) };
        let said = converted.seconds();
        if (actual.seconds - said).abs() > actual.frame_seconds() {
            return Some(format!("it lasts {:.3} s, but is said to last {said:.3} s", actual.seconds));
        }
        let Some(expected) = &self.expected else {
            return Some("plain FFmpeg finds no sound in it".to_owned());
        };
        let comparison = Comparison::of(expected, &actual);
        (!comparison.differences().is_empty()).then(|| comparison.to_string())
    }

    fn judge_failure(&self, error: &ConversionError) -> Option<String> {
        match error {
            ConversionError::Failed { .. } if self.edit.is_harmless() => {
                Some(format!("nothing is wrong with it, but it fails: {error}"))
            }
            ConversionError::Failed { code, .. } => {
                let is_expected = matches!(
                    code,
                    FailureCode::Damaged
                        | FailureCode::NotAMediaFile
                        | FailureCode::NoAudioTrack
                        | FailureCode::UnsupportedFormat
                );
                (!is_expected).then(|| error.to_string())
            }
            error => Some(format!("not the file's fault: {error}")),
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_that_succeeds_holds_all_of_the_sound() {
    let bench = Bench::new();
    let (count, first) = (number("EDITS", 40), number("SEED", 1));
    let trials = (first..first + count).map(async |seed| {
        let mut random = Random(seed);
        let source = *random.pick(&SOURCES);
        let edit = Edit::random(source, &mut random);
        let format = *random.pick(&AudioFormat::ALL);
        let (_, wrong) = Edited::make(source, edit, seed).await.convert(&bench, format).await;
        wrong.map(|wrong| format!("{seed}: {} {edit}: {wrong}", source.name))
    });
    expect_nothing(stream::iter(trials).buffered(2).collect().await);
}

#[track_caller]
fn expect_nothing(wrong: Vec<Option<String>>) {
    let count = wrong.len();
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Converts each kind of file, after an edit, to each format.
async fn try_everything(edit: Edit) {
    let bench = Bench::new();
    let sources = SOURCES.into_iter().filter(|source| edit.is_possible_with(*source));
    let trials = sources.map(async |source| {
        let edited = Edited::make(source, edit, 1).await;
        let (mut made, mut wrong) = (Vec::new(), Vec::new());
        for format in AudioFormat::ALL {
            let (converted, complaint) = edited.convert(&bench, format).await;
            made.extend(
                converted.map(|converted| (converted.converted.begins_at_seconds, converted.seconds())),
            );
            wrong.extend(complaint);
        }
        // A copy consists of whole packets, so it may be longer.
        let range = |values: Vec<f64>| {
            values.iter().fold(0.0_f64, |most, value| most.max(value - values[0]).max(values[0] - value))
        };
        let (begins, lengths): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        if range(begins.clone()) > 0.001 || range(lengths.clone()) > 0.06 {
            wrong.push(format!("the formats differ: they begin at {begins:?} and last {lengths:?}"));
        }
        // FFmpeg puts the first packet of such a file at its beginning regardless.
        if let Edit::LateSound(late) = edit
            && source.name != "fragments.mp4"
            && begins.iter().any(|begin| (begin - late).abs() > 0.1)
        {
            wrong.push(format!("they begin at {begins:?}"));
        }
        (!wrong.is_empty()).then(|| format!("{} {edit}: {}", source.name, wrong.join("; ")))
    });
    expect_nothing(stream::iter(trials).buffered(2).collect().await);
}

const MIDDLE: Part = Part { start: 0.4, length: 0.2 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_files_of_every_kind_become_every_format() {
    try_everything(Edit::None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_sound_of_every_kind_becomes_every_format() {
    try_everything(Edit::LateSound(0.3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_in_every_kind_are_silence_in_every_format() {
    try_everything(Edit::Gap(3.3, 6.1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jitter_in_every_kind_does_no_harm_in_any_format() {
    try_everything(Edit::Jitter(0.1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holes_in_every_kind_are_no_success_in_any_format() {
    try_everything(Edit::Removal(MIDDLE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_every_kind_that_are_cut_off_are_no_success_in_any_format() {
    try_everything(Edit::CutOff(0.7)).await;
}
