//! Examines the uploaded file before its audio is decoded.

use std::io;

use contracts::{ConversionOptions, FailureCode};
use tokio::task::spawn_blocking;

use super::ending::{self, Lack};
use super::mp4_index;
use super::probe::{self, Answer, Probe};
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::Workshop;

/// An examined file, and how to open it from now on.
pub(crate) struct Examined<'a> {
    pub workshop: Workshop<'a>,
    pub probe: Probe,
    /// What is missing at its end.
    pub lack: Lack,
}

/// Probes the file. If its audio may begin late, probes it again and further.
pub(crate) async fn examine<'a>(
    mut workshop: Workshop<'a>,
    options: &ConversionOptions,
) -> Result<Examined<'a>, ConversionError> {
    let source = workshop.source();
    let lack = reading(move || ending::lack(&source));
    let mut answer = probe::answer(workshop.ask_ffprobe(probe::SHOWN)?).await;
    if answer.as_ref().is_ok_and(Answer::may_begin_late) {
        workshop.input.is_patient = true;
        answer = probe::answer(workshop.ask_ffprobe(probe::SHOWN)?).await;
    }
    let lack = lack.await?;
    // ffprobe opens a decoder for each track and gives up at the first that refuses. Another track may be
    // usable.
    if let Err(refusal) = &answer
        && let Some(refused) = refusal.refused_track
    {
        let listed = probe::read_listing(&workshop.list_tracks().await?, refused);
        let understood = listed.and_then(|listed| listed.understood(options.track.as_ref()).ok());
        if let Some(probe) = understood {
            return Ok(Examined { workshop, probe, lack });
        }
    }
    let answer = answer.map_err(|refusal| match refusal.error {
        // The missing part may have made it a media file.
        ConversionError::Failed { code: FailureCode::NotAMediaFile, detail } if lack != Lack::Nothing => {
            ConversionError::failed(FailureCode::Damaged, detail)
        }
        error => error,
    })?;
    let is_mp4 = answer.is_mp4();
    match answer.understood(options.track.as_ref()) {
        Ok(probe) => Ok(Examined { workshop, probe, lack }),
        Err(error) if is_mp4 && error.code() == Some(FailureCode::NoAudioTrack) => {
            let source = workshop.source();
            // The rest of a broken index may show only the picture.
            let is_whole = reading(move || mp4_index::is_whole(&source)).await?;
            let broken = || ConversionError::failed(FailureCode::Damaged, "its index is broken");
            Err(if is_whole { error } else { broken() })
        }
        Err(error) => Err(error),
    }
}

/// Runs a reader of the source on a blocking thread.
pub(crate) fn reading<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = Result<T, ConversionError>> {
    let read = spawn_blocking(read);
    async { read.await.map_err(io::Error::from).flatten().map_err(ConversionError::Read) }
}
