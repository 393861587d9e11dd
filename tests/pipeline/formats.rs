//! Input and output formats.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::{FailureCode, Job, JobStatus, Outcome, ProblemCode};
use reqwest::{Method, header};
use test_kit::gridfs::Store;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, PATIENCE, User, assert_problem, mixdown};
use test_kit::wait_until;

use crate::mp3::Mp3;

const LENGTH: Duration = Duration::from_secs(5);

/// A video becomes an audio file and a mail. The link in the mail works without a token.
async fn becomes_an_mp3(sample: Sample) -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&sample.file(LENGTH).await).await?;
    assert_eq!(job.status, JobStatus::Queued);
    let job = user.wait_for_outcome(job.id).await;
    assert_eq!(job.status, JobStatus::Converted, "{job:?}");

    let bytes = user.download(&job).await?;
    let audio = job.audio.as_ref().context("it has an MP3")?;
    assert_eq!(audio.bytes, bytes.len() as u64);
    Mp3::probe(&bytes).await?.assert_length(LENGTH.as_secs_f64());

    let mails = Inbox::shared().wait_for_mails(&user.email, 1, PATIENCE).await;
    assert_eq!(mails.len(), 1);
    let public_url = mixdown().system().public_url();
    let link = mails[0].link(&format!("{public_url}/d/")).context("the mail has a link")?;
    let path = link.strip_prefix(&public_url).context("the link leads to the gateway")?;
    let linked = user.anonymous(Method::GET, path).send().await?.error_for_status()?;
    assert_eq!(linked.bytes().await?, bytes, "the link gives another file than the download");

    let grid_fs = mixdown().grid_fs().await?;
    wait_until("the converted video is deleted", PATIENCE, async || {
        let is_there = grid_fs.has_any_of(Store::Videos, &job.source.fid.to_string()).await?;
        anyhow::ensure!(!is_there, "it is there");
        Ok(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn mp4_with_aac_becomes_an_mp3() -> Result<()> {
    becomes_an_mp3(Sample::Mp4).await
}

#[tokio::test]
async fn webm_with_opus_becomes_an_mp3() -> Result<()> {
    becomes_an_mp3(Sample::Webm).await
}

#[tokio::test]
async fn mkv_with_ac3_becomes_an_mp3() -> Result<()> {
    becomes_an_mp3(Sample::Mkv).await
}

#[tokio::test]
async fn mov_with_pcm_becomes_an_mp3() -> Result<()> {
    becomes_an_mp3(Sample::Mov).await
}

#[tokio::test]
async fn avi_with_mp3_becomes_an_mp3() -> Result<()> {
    becomes_an_mp3(Sample::Avi).await
}

/// The file fails with this code, and the mail gives the reason in the same words.
async fn fails(sample: Sample, code: FailureCode) -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&sample.file(LENGTH).await).await?;
    let job = user.wait_for_outcome(job.id).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:?}");
    assert_eq!(job.error.as_ref().map(|error| error.code), Some(code));
    assert_eq!(job.audio, None);
    assert_eq!(job.notices.iter().map(|notice| notice.outcome).collect::<Vec<_>>(), [Outcome::Failed]);

    let mails = Inbox::shared().wait_for_mails(&user.email, 1, PATIENCE).await;
    assert_eq!(mails.len(), 1);
    let text: Vec<&str> = mails[0].text.split_whitespace().collect();
    assert!(text.join(" ").contains(code.text()), "{}", mails[0].text);
    Ok(())
}

#[tokio::test]
async fn a_silent_video_fails_as_having_no_audio_track() -> Result<()> {
    fails(Sample::Silent, FailureCode::NoAudioTrack).await
}

#[tokio::test]
async fn a_truncated_video_fails_as_damaged() -> Result<()> {
    fails(Sample::Truncated, FailureCode::Damaged).await
}

#[tokio::test]
async fn a_text_file_fails_as_not_a_media_file() -> Result<()> {
    fails(Sample::Text, FailureCode::NotAMediaFile).await
}

async fn converted_with(user: &User, option: &str, value: &str) -> Result<(Job, Mp3)> {
    let form = Form::of_file(&Sample::Mp4.file(LENGTH).await).await?.field(option, value);
    let job = user.submit(form).await?;
    let job = user.wait_for_outcome(job.id).await;
    let mp3 = Mp3::probe(&user.download(&job).await?).await?;
    mp3.assert_length(LENGTH.as_secs_f64());
    Ok((job, mp3))
}

#[tokio::test]
async fn the_options_decide_how_it_is_encoded() -> Result<()> {
    let user = mixdown().user().await?;
    let (high, low, constant) = tokio::try_join!(
        converted_with(&user, "quality", "V0"),
        converted_with(&user, "quality", "v9"),
        converted_with(&user, "bitrate", "320"),
    )?;
    let options = serde_json::to_value(constant.0.options)?;
    assert_eq!(options, serde_json::json!({ "format": "mp3", "bitrate": 320 }));
    let rate = constant.1.bits_per_second;
    assert!((300_000.0..340_000.0).contains(&rate), "{rate} bit/s for 320 kbit/s");
    assert!(
        high.0.audio.map(|audio| audio.bytes) > low.0.audio.map(|audio| audio.bytes),
        "V0 is not above V9"
    );
    Ok(())
}

#[tokio::test]
async fn the_format_decides_what_is_downloaded() -> Result<()> {
    let user = mixdown().user().await?;
    let video = Sample::Mp4.file(LENGTH).await;
    for (format, media_type) in
        [("m4a", "audio/mp4"), ("opus", "audio/ogg"), ("flac", "audio/flac"), ("wav", "audio/wav")]
    {
        let form = Form::of_file(&video).await?.field("format", format).field("title", "A lecture");
        let job = user.submit(form).await?;
        let job = user.wait_for_outcome(job.id).await;
        let audio = job.audio.context("it was not converted")?;
        assert_eq!((audio.format.as_str(), audio.is_copy), (format, format == "m4a"));
        let answer = user.get(&format!("/download?fid={}", audio.fid)).await?;
        assert_eq!(answer.headers()[header::CONTENT_TYPE], media_type);
        let disposition = answer.headers()[header::CONTENT_DISPOSITION].to_str()?.to_owned();
        assert!(disposition.contains(&format!(".{format}")), "{disposition}");
        assert_eq!(answer.bytes().await?.len() as u64, audio.bytes);
    }
    Ok(())
}

#[tokio::test]
async fn a_finished_job_has_a_waveform() -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&Sample::Mp4.file(LENGTH).await).await?;
    let path = format!("/jobs/{}/peaks", job.id);
    let job = user.wait_for_outcome(job.id).await;
    let answer = user.get(&path).await?;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    let waveform: serde_json::Value = answer.json().await?;
    let length = waveform["length"].as_u64().context("it has no length")?;
    let samples = length * waveform["samples_per_pixel"].as_u64().context("nor a scale")?;
    let rate = waveform["sample_rate"].as_u64().context("nor a rate")?;
    assert_eq!(samples.div_ceil(rate), LENGTH.as_secs() + 1);
    assert!(job.audio.is_some());
    user.request(Method::DELETE, &format!("/jobs/{}", job.id)).send().await?;
    let gone = user.request(Method::GET, &path).send().await?;
    assert_problem("the waveform of a deleted job", gone, ProblemCode::NotFound).await
}
