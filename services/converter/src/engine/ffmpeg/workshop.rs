//! The programs at work on one source: which, where, and within what.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::net::UnixStream;
use tokio_util::task::TaskTracker;

use super::arguments;
use super::child::{Child, Ended, Launcher, Place};
use super::recipe::Recipe;
use super::restrictions::Input;
use crate::engine::config::EngineConfig;
use crate::engine::error::ConversionError;
use crate::engine::parallel::EncoderSlots;
use crate::engine::scratch::SOURCE;

/// What a conversion works with and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workshop<'a> {
    /// With the programs as they were found.
    pub config: &'a EngineConfig,
    /// The decoders that ffprobe may open.
    pub decoders: &'a str,
    pub launcher: &'a Launcher,
    pub slots: &'a EncoderSlots,
    pub directory: &'a Path,
    pub input: Input<'a>,
    pub keepers: &'a TaskTracker,
}

impl<'a> Workshop<'a> {
    /// Starts to decode.
    pub(crate) fn decode(self, recipe: &Recipe) -> Result<Child, ConversionError> {
        self.ffmpeg(arguments::decode(self.input, recipe), Place::of_source(self.directory), Stdio::null())
    }

    /// Starts FFmpeg.
    pub(crate) fn ffmpeg(
        self,
        arguments: Vec<String>,
        place: Place<'_>,
        stdin: Stdio,
    ) -> Result<Child, ConversionError> {
        self.launcher
            .start(&self.config.ffmpeg, arguments, place, stdin, self.keepers)
            .map_err(ConversionError::ffmpeg)
    }

    /// Starts FFmpeg, with the end that its input is written to.
    pub(crate) fn encoder(
        self,
        arguments: Vec<String>,
        place: Place<'_>,
    ) -> Result<(Child, UnixStream), ConversionError> {
        // Not a pipe: the writer into a full pipe is woken for each page that is read, the
        // one into a full socket when most of it is.
        let (ours, theirs) = net::UnixStream::pair().map_err(ConversionError::ffmpeg)?;
        ours.set_nonblocking(true).map_err(ConversionError::ffmpeg)?;
        let child = self.ffmpeg(arguments, place, OwnedFd::from(theirs).into())?;
        Ok((child, UnixStream::from_std(ours).map_err(ConversionError::ffmpeg)?))
    }

    /// Lets FFmpeg do something that nobody reads meanwhile.
    pub(crate) async fn run_ffmpeg(
        self,
        arguments: Vec<String>,
        place: Place<'_>,
    ) -> Result<Ended, ConversionError> {
        self.ffmpeg(arguments, place, Stdio::null())?.ended().await.map_err(ConversionError::ffmpeg)
    }

    /// Starts ffprobe on the source, with what it is to show.
    pub(crate) fn ask_ffprobe(
        self,
        shown: impl IntoIterator<Item = &'a str>,
    ) -> Result<Child, ConversionError> {
        let options = ["-hide_banner", "-loglevel", "level+warning"].map(str::to_owned).into_iter();
        let options = options.chain(self.input.ffprobe_options(self.decoders));
        let shown = shown.into_iter().chain([self.input.file]).map(str::to_owned);
        self.launcher
            .start(
                &self.config.ffprobe,
                options.chain(shown),
                Place::of_source(self.directory),
                Stdio::null(),
                self.keepers,
            )
            .map_err(ConversionError::ffprobe)
    }

    /// What FFmpeg says of the source's tracks when it opens it, in its log.
    pub(crate) async fn list_tracks(self) -> Result<String, ConversionError> {
        Ok(self.run_ffmpeg(arguments::list(self.input), Place::of_source(self.directory)).await?.log)
    }

    /// Where the source is.
    pub(crate) fn source(self) -> PathBuf {
        self.directory.join(SOURCE)
    }

    /// Makes an empty file for FFmpeg, which may write one and not make one.
    pub(crate) fn empty_file(self, name: &str) -> Result<PathBuf, ConversionError> {
        let path = self.directory.join(name);
        File::create(&path).map_err(ConversionError::Write)?;
        Ok(path)
    }
}
