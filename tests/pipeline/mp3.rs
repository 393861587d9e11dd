use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;
use test_kit::project::find_program;
use tokio::process::Command;

/// ffprobe's facts about an MP3.
#[derive(Debug)]
pub(crate) struct Mp3 {
    pub(crate) codec: String,
    pub(crate) seconds: f64,
    pub(crate) bits_per_second: f64,
}

impl Mp3 {
    pub(crate) async fn probe(bytes: &[u8]) -> Result<Self> {
        let mut file = NamedTempFile::with_suffix(".mp3")?;
        file.write_all(bytes)?;
        let probed = Command::new(find_program("ffprobe")?)
            .args([
                "-v",
                "error",
                "-of",
                "json",
                "-show_entries",
                "format=duration,bit_rate:stream=codec_name",
            ])
            .arg(file.path())
            .stdin(Stdio::null())
            .output()
            .await?;
        ensure!(probed.status.success(), "ffprobe says: {}", String::from_utf8_lossy(&probed.stderr));
        let facts: serde_json::Value = serde_json::from_slice(&probed.stdout)?;
        let number = |value: &serde_json::Value| {
            value.as_str().and_then(|text| text.parse().ok()).context("ffprobe gives no number")
        };
        Ok(Self {
            codec: facts["streams"][0]["codec_name"].as_str().unwrap_or_default().to_owned(),
            seconds: number(&facts["format"]["duration"])?,
            bits_per_second: number(&facts["format"]["bit_rate"])?,
        })
    }

    /// Allows 2 %, as the converter promises.
    pub(crate) fn assert_length(&self, seconds: f64) {
        assert_eq!(self.codec, "mp3");
        assert!((self.seconds / seconds - 1.0).abs() <= 0.02, "it lasts {} s, not {seconds} s", self.seconds);
    }
}
