//! What is found out about the uploaded file before its sound is decoded.

use std::io;

use contracts::{ConversionOptions, FailureCode};
use tokio::task::spawn_blocking;

use super::ending::{self, Lack};
use super::mp4_index;
use super::probe::{self, Answer, Probe};
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::Workshop;

/// A file that was examined, and how it is opened from then on.
pub(crate) struct Examined<'a> {
    pub workshop: Workshop<'a>,
    pub probe: Probe,
    /// What its end lacks.
    pub lack: Lack,
}

/// Probes the file, once more and further where its sound may begin late.
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
    // It opens a decoder for each track, and gives up with the first that refuses one. Another may do.
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
        // Nobody knows what the rest would have been.
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
            // What is left of a broken index may show the picture alone.
            let is_whole = reading(move || mp4_index::is_whole(&source)).await?;
            let broken = || ConversionError::failed(FailureCode::Damaged, "its index is broken");
            Err(if is_whole { error } else { broken() })
        }
        Err(error) => Err(error),
    }
}

/// Begins to read the source on a thread of its own.
pub(crate) fn reading<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = Result<T, ConversionError>> {
    let read = spawn_blocking(read);
    async { read.await.map_err(io::Error::from).flatten().map_err(ConversionError::Read) }
}
