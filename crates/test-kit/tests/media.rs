//! Checks that the sample media match their names.

use std::time::Duration;

use anyhow::Result;
use test_kit::media::Sample;
use tokio::process::Command;

const LENGTH: Duration = Duration::from_secs(2);

/// ffprobe's name of the audio codec. Empty if there is no audio track.
async fn audio_codec(sample: Sample) -> Result<String> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "csv=p=0"])
        .arg(sample.file(LENGTH).await)
        .output()
        .await?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[tokio::test]
async fn each_sample_has_the_audio_that_it_promises() -> Result<()> {
    assert_eq!(audio_codec(Sample::Mp4).await?, "aac");
    assert_eq!(audio_codec(Sample::Webm).await?, "opus");
    assert_eq!(audio_codec(Sample::Mkv).await?, "ac3");
    assert_eq!(audio_codec(Sample::Mov).await?, "pcm_s16le");
    assert_eq!(audio_codec(Sample::Avi).await?, "mp3");
    assert_eq!(audio_codec(Sample::Silent).await?, "");
    assert_eq!(audio_codec(Sample::Text).await?, "");
    Ok(())
}

#[tokio::test]
async fn the_truncated_sample_is_shorter_than_the_whole_one() {
    let whole = Sample::Mkv.bytes(LENGTH).await.len();
    let truncated = Sample::Truncated.bytes(LENGTH).await.len();
    assert_eq!(truncated, whole * 3 / 5);
}
