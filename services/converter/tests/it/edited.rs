//! Random edits of random sources: a conversion may fail, but a success holds all of the sound. `EDITS` says how many are
//! tried, `SEED` from which on. Each is made from its number alone: `SEED=4711 EDITS=1` tries one again.

use contracts::{AudioFormat, ConversionOptions, FailureCode};
use converter::engine::ConversionError;
use futures_util::{StreamExt as _, stream};
use test_kit::edits::Edit;
use test_kit::seeded::Random;
use test_kit::sound::{Comparison, Sound, Timing};
use test_kit::sources::{SOURCES, Source};

use crate::bench::Bench;

/// Long enough for a gap and for three seconds of delay.
const SECONDS: u32 = 8;

const FORMATS: [AudioFormat; 5] =
    [AudioFormat::Mp3, AudioFormat::M4a, AudioFormat::Opus, AudioFormat::Flac, AudioFormat::Wav];

/// What is tried under one number.
struct Trial {
    number: u64,
    source: Source,
    edit: Edit,
    format: AudioFormat,
}

impl Trial {
    fn new(number: u64) -> Self {
        let mut random = Random(number);
        let source = *random.pick(&SOURCES);
        let edit = Edit::random(source, &mut random);
        Self { number, source, edit, format: *random.pick(&FORMATS) }
    }

    /// What is wrong with the outcome; nothing if it is as it should be.
    async fn run(&self, bench: &Bench) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let bytes = self.edit.apply(self.source, SECONDS, self.number, folder.path()).await.unwrap();
        let options = ConversionOptions { format: self.format, ..ConversionOptions::default() };
        let converted = match bench.convert_bytes(&bytes, options).await {
            Ok(mp3) => mp3,
            Err(error) => return self.judge_failure(&error),
        };
        let edited = folder.path().join("edited");
        tokio::fs::write(&edited, &bytes).await.unwrap();
        let expected = Sound::of(&edited, Timing::OnTheClock).await.unwrap();
        let actual = Sound::of(&converted.converted.path, Timing::AsDecoded).await.unwrap();
        let Some(actual) = actual else { return Some("there is no sound in the result".to_owned()) };
        let said = converted.seconds();
        if (actual.seconds - said).abs() > actual.frame_seconds() {
            return Some(format!("it lasts {:.3} s, but is said to last {said:.3} s", actual.seconds));
        }
        let Some(expected) = expected else { return Some("plain FFmpeg finds no sound in it".to_owned()) };
        let comparison = Comparison::of(&expected, &actual);
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
    let trials: Vec<_> = (first..first + count).map(Trial::new).collect();
    let outcomes: Vec<_> = stream::iter(&trials).map(|trial| trial.run(&bench)).buffered(2).collect().await;
    let wrong: Vec<_> = trials
        .iter()
        .zip(outcomes)
        .filter_map(|(Trial { number, source, edit, format }, wrong)| {
            let wrong = wrong?;
            Some(format!("{number}: {} {edit}, to {}: {wrong}", source.name, format.as_str()))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
