//! Checks that the comparison of audio detects changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;
use test_kit::sound::{Comparison, Sound, Timing};
use test_kit::sources::SOURCES;

const SECONDS: u32 = 8;

/// Audio, and a folder for changed copies of it.
struct Original {
    folder: TempDir,
    path: PathBuf,
}

impl Original {
    async fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let tone = SOURCES.iter().find(|source| source.name == "tone.wav").context("there is no tone")?;
        let path = tone.make(folder.path(), SECONDS).await?;
        Ok(Self { folder, path })
    }

    /// A changed copy that FFmpeg makes with these options.
    fn made(&self, name: &str, options: &[&str]) -> Result<PathBuf> {
        let made = self.folder.path().join(name);
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(&self.path)
            .args(options)
            .arg(&made)
            .status()?;
        anyhow::ensure!(status.success(), "could not make {name}");
        Ok(made)
    }

    async fn against(&self, other: &Path) -> Result<Comparison> {
        compared(&self.path, other).await
    }

    /// The differences that are found after a filter.
    async fn differences(&self, filter: &str) -> Result<Vec<String>> {
        let edited = self.made("edited.wav", &["-af", filter])?;
        Ok(self.against(&edited).await?.differences())
    }
}

async fn heard(file: &Path, timing: Timing) -> Result<Sound> {
    Sound::of(file, timing).await?.with_context(|| format!("there is no sound in {}", file.display()))
}

async fn compared(expected: &Path, actual: &Path) -> Result<Comparison> {
    Ok(Comparison::of(&heard(expected, Timing::OnTheClock).await?, &heard(actual, Timing::AsDecoded).await?))
}

#[tokio::test]
async fn encoders_change_nothing_that_would_be_noticed() -> Result<()> {
    let original = Original::new().await?;
    for (name, options) in [
        ("copy.wav", &[][..]),
        ("copy.flac", &[]),
        ("copy.mp3", &["-q:a", "2"]),
        ("copy.m4a", &["-b:a", "96k"]),
        ("copy.opus", &["-b:a", "64k"]),
    ] {
        let comparison = original.against(&original.made(name, options)?).await?;
        assert_eq!(comparison.differences(), [""; 0], "{name}");
        assert!(comparison.to_string().ends_with("of 8.000 s: the same"), "{name}: {comparison}");
    }
    Ok(())
}

#[tokio::test]
async fn a_sound_that_is_late_by_a_tenth_of_a_second_is_seen_to_be() -> Result<()> {
    let late = Original::new().await?.differences("adelay=100:all=1").await?;
    assert_eq!(late, ["+0.100 s of length", "+100 ms of offset"]);
    Ok(())
}

#[tokio::test]
async fn a_silenced_second_is_missing() -> Result<()> {
    let silenced = Original::new().await?.differences("volume=0:enable='between(t,3,4)'").await?;
    assert_eq!(silenced, ["missing: 3.0–4.0 s"]);
    Ok(())
}

#[tokio::test]
async fn what_follows_a_second_that_was_cut_out_is_displaced() -> Result<()> {
    let cut = Original::new()
        .await?
        .differences("asetnsamples=441,aselect='not(between(t,5,5.999))',asetpts=N/SR/TB")
        .await?;
    assert_eq!(cut[0], "-1.000 s of length");
    assert_eq!(cut[1..], ["missing: 5.0–6.0 s", "displaced: 6.0–8.0 s"]);
    Ok(())
}

#[tokio::test]
async fn another_sound_is_not_taken_for_the_same() -> Result<()> {
    let other = Original::new().await?.differences("areverse").await?;
    assert_eq!(other, ["missing: 0.0–8.0 s"]);
    Ok(())
}

#[tokio::test]
async fn swapped_channels_and_a_quiet_one_are_noticed() -> Result<()> {
    let original = Original::new().await?;
    let swapped = original.differences("channelmap=1|0").await?;
    assert_eq!(swapped, ["channel 1: -9.2 dB", "channel 2: +9.2 dB"]);
    let quiet = original.differences("pan=stereo|c0=c0|c1=0.5*c1").await?;
    assert_eq!(quiet, ["channel 2: -6.0 dB"]);
    Ok(())
}

#[tokio::test]
async fn the_clock_fills_gaps_and_closes_up_a_late_beginning() -> Result<()> {
    let original = Original::new().await?;
    let with_gap = original.made(
        "gap.mkv",
        &["-af", "asetnsamples=441,aselect='not(between(t,3,4.999))'", "-c:a", "pcm_s16le"],
    )?;
    let silenced = original.made("silenced.wav", &["-af", "volume=0:enable='between(t,3,5)'"])?;
    assert_eq!(compared(&with_gap, &silenced).await?.differences(), [""; 0]);
    let decoded = heard(&with_gap, Timing::AsDecoded).await?.seconds;
    assert!((decoded - 6.0).abs() < 0.1, "{decoded}");

    let original = original.path.to_str().unwrap();
    let late = Path::new(original).with_file_name("late.mkv");
    let picture =
        ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:d=9", "-itsoffset", "0.7", "-i", original];
    let made = Command::new("ffmpeg").args(["-v", "error"]).args(picture).arg(&late).status()?;
    assert!(made.success());
    let sound = heard(&late, Timing::OnTheClock).await?;
    assert!((sound.begins_at_seconds - 0.7).abs() < 0.03, "{}", sound.begins_at_seconds);
    assert!((sound.seconds - 8.0).abs() < 0.05, "{}", sound.seconds);
    Ok(())
}

#[tokio::test]
async fn a_file_without_sound_has_none_to_compare() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "no sound\n".repeat(100))?;
    assert!(Sound::of(&text, Timing::AsDecoded).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn every_source_sounds_alike_as_far_as_its_codec_allows() -> Result<()> {
    let original = Original::new().await?;
    let expected = heard(&original.path, Timing::AsDecoded).await?;
    for source in SOURCES {
        let made = source.make(original.folder.path(), SECONDS).await?;
        let sound = heard(&made, Timing::OnTheClock).await?;
        assert!((sound.seconds - 8.0).abs() < 0.1, "{}: {} s", source.name, sound.seconds);
        let comparison = Comparison::of(&expected, &sound);
        assert!(comparison.missing_seconds() < 0.1, "{}: {comparison}", source.name);
    }
    Ok(())
}
