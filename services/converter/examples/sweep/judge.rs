//! Finds surprises: outcomes in which the converter and plain FFmpeg disagree.

use std::path::Path;
use std::time::Duration;

use contracts::FailureCode;
use converter::engine::ConversionError;
use test_kit::sound::{Description, Sound, Timing};

use crate::{Made, Outcome};

/// What plain FFmpeg finds in a file.
pub(crate) struct Reference {
    description: Option<Description>,
    pub(crate) sound: Option<Sound>,
}

/// FFmpeg's score for a file whose format it recognised only by the name's extension.
const SCORE_OF_A_NAME: u32 = 50;

impl Reference {
    pub(crate) async fn of(file: &Path) -> anyhow::Result<Self> {
        let description = Description::of(file).await?;
        let sound = match &description {
            Some(description) => Sound::described(file, description, Timing::OnTheClock).await?,
            None => None,
        };
        Ok(Self { description, sound })
    }

    pub(crate) fn length(&self) -> Duration {
        let seconds = self.sound.as_ref().map_or(0.0, |sound| sound.seconds);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// The whole audio, if plain FFmpeg decodes as much as the file declares and does not complain.
    fn whole_sound(&self) -> Option<&Sound> {
        let declared = self.description.as_ref().and_then(|description| description.declared_seconds);
        self.sound.as_ref().filter(|sound| {
            let is_short = declared.is_some_and(|declared| sound.seconds < declared * 0.98 - 0.15);
            sound.complaints.is_empty() && !is_short
        })
    }

    /// The container, if FFmpeg is certain that it is one for audio or video.
    fn media_format(&self) -> Option<&str> {
        let description = self.description.as_ref()?;
        let is_picture = description.format.ends_with("_pipe") || description.format == "image2";
        let is_sure = description.probe_score > SCORE_OF_A_NAME && !is_picture;
        (is_sure || self.sound.is_some()).then_some(description.format.as_str())
    }
}

pub(crate) const HEADLINE: &str = "file                             format  outcome            length     plain  begins  offset  missing  levels";

/// A row of the table. Lengths are in seconds, the offset in milliseconds, levels in dB.
pub(crate) fn row(name: &str, reference: &Reference, outcome: &Outcome) -> String {
    let plain = reference.sound.as_ref();
    let made = outcome.made.as_ref().ok();
    let comparison = made.and_then(|made| made.comparison.as_ref());
    let length = made.map(|made| made.sound.as_ref().map_or(0.0, |sound| sound.seconds));
    let levels = comparison.map(|comparison| comparison.level_differences_db.as_slice()).unwrap_or_default();
    let levels: Vec<_> = levels.iter().map(|level| format!("{level:+.1}")).collect();
    let skipped = name.chars().count().saturating_sub(32);
    let row = format!(
        "{:32} {:7} {:16} {:>8} {:>9} {:>7} {:>7} {:>8}  {}",
        name.chars().skip(skipped).collect::<String>(),
        outcome.format.as_str(),
        in_a_word(&outcome.made),
        shown(length, 3),
        shown(plain.map(|sound| sound.seconds), 3),
        shown(plain.map(|sound| sound.begins_at_seconds), 3),
        shown(comparison.and_then(|comparison| comparison.offset_seconds).map(|offset| offset * 1000.0), 1),
        shown(comparison.map(test_kit::sound::Comparison::missing_seconds), 1),
        levels.join(" ")
    );
    row.trim_end().to_owned()
}

fn in_a_word(made: &Result<Made, ConversionError>) -> String {
    match made {
        Ok(made) if made.converted.is_copy => "copied".to_owned(),
        Ok(_) => "encoded".to_owned(),
        Err(ConversionError::Failed { code, .. }) => format!("{code:?}"),
        Err(_) => "error".to_owned(),
    }
}

fn shown(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

/// Where the converter and plain FFmpeg disagree about a file, and where the file's formats disagree with
/// each other.
pub(crate) fn surprises(reference: &Reference, outcomes: &[Outcome]) -> Vec<String> {
    let mut formats_of: Vec<(String, Vec<&str>)> = Vec::new();
    for outcome in outcomes {
        for surprise in of_an_outcome(reference, outcome) {
            let format = outcome.format.as_str();
            match formats_of.iter_mut().find(|(known, _)| *known == surprise) {
                Some((_, formats)) => formats.push(format),
                None => formats_of.push((surprise, vec![format])),
            }
        }
    }
    let by_format =
        formats_of.into_iter().map(|(text, formats)| format!(" to {}: {text}", formats.join(", ")));
    by_format.chain(disagreements(outcomes).into_iter().map(|text| format!(": {text}"))).collect()
}

fn of_an_outcome(reference: &Reference, outcome: &Outcome) -> Vec<String> {
    match &outcome.made {
        Ok(made) => of_a_finished_file(reference, made),
        Err(ConversionError::Failed { code, detail }) => of_a_failure(reference, *code, detail),
        Err(error) => vec![format!("not the file's fault: {error:?}")],
    }
}

fn of_a_failure(reference: &Reference, code: FailureCode, detail: &str) -> Vec<String> {
    let mut surprises = Vec::new();
    let refused = format!("{code:?} ({})", in_brief(detail));
    if let Some(sound) = reference.whole_sound() {
        let seconds = sound.seconds;
        surprises.push(format!("{refused}, but plain FFmpeg decodes {seconds:.2} s without a complaint"));
    } else if let Some(format) = reference.media_format().filter(|_| code == FailureCode::NotAMediaFile) {
        surprises.push(format!("{refused}, but ffprobe recognises {format}"));
    }
    surprises
}

/// The beginning of FFmpeg's message. Memory addresses are removed, because they differ each time.
fn in_brief(detail: &str) -> String {
    let words = detail.split(' ').filter(|word| *word != "@" && !word.starts_with("0x"));
    words.collect::<Vec<_>>().join(" ").chars().take(120).collect()
}

fn of_a_finished_file(reference: &Reference, made: &Made) -> Vec<String> {
    let Some(sound) = &made.sound else {
        return vec!["plain FFmpeg decodes nothing of the result".to_owned()];
    };
    let mut surprises = Vec::new();
    if reference.sound.is_none() {
        surprises.push(format!("{:.2} s, but plain FFmpeg decodes nothing of the source", sound.seconds));
    }
    let said = made.converted.audio.duration_seconds;
    if (sound.seconds - said).abs() > sound.frame_seconds() {
        surprises.push(format!("it lasts {:.3} s, but the converter says {said:.3} s", sound.seconds));
    }
    if let Some(comparison) = made.comparison.as_ref().filter(|made| !made.differences().is_empty()) {
        surprises.push(comparison.to_string());
    }
    surprises
}

/// Where the formats of one file disagree.
fn disagreements(outcomes: &[Outcome]) -> Vec<String> {
    let mut disagreements = Vec::new();
    let made: Vec<_> =
        outcomes.iter().filter_map(|outcome| Some((outcome.format, outcome.made.as_ref().ok()?))).collect();
    if !made.is_empty() && made.len() < outcomes.len() {
        let formats: Vec<_> = made.iter().map(|(format, _)| format.as_str()).collect();
        disagreements.push(format!("only converted to {}", formats.join(", ")));
    }
    let sounds = made.iter().filter_map(|(format, made)| Some((format, made.sound.as_ref()?)));
    let shortest = sounds.clone().min_by(|one, other| one.1.seconds.total_cmp(&other.1.seconds));
    let longest = sounds.max_by(|one, other| one.1.seconds.total_cmp(&other.1.seconds));
    if let (Some((short, shortest)), Some((long, longest))) = (shortest, longest)
        && longest.seconds - shortest.seconds > 2.0 * longest.frame_seconds().max(shortest.frame_seconds())
    {
        disagreements.push(format!(
            "{:.3} s as {}, {:.3} s as {}",
            shortest.seconds,
            short.as_str(),
            longest.seconds,
            long.as_str()
        ));
    }
    disagreements
}
