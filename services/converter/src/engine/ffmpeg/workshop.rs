//! The programs that work on one source, with their paths and limits.

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

/// What a conversion uses: programs, scratch directory, limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workshop<'a> {
    /// The settings, with the programs' absolute paths.
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
    /// Starts the decoder.
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

    /// Starts an FFmpeg. Also returns the end of the socket to write its input to.
    pub(crate) fn encoder(
        self,
        arguments: Vec<String>,
        place: Place<'_>,
    ) -> Result<(Child, UnixStream), ConversionError> {
        // Not a pipe: a writer into a full pipe is woken for each page that is read. A writer into a full
        // socket is woken when most of it has been read.
        let (ours, theirs) = net::UnixStream::pair().map_err(ConversionError::ffmpeg)?;
        ours.set_nonblocking(true).map_err(ConversionError::ffmpeg)?;
        let child = self.ffmpeg(arguments, place, OwnedFd::from(theirs).into())?;
        Ok((child, UnixStream::from_std(ours).map_err(ConversionError::ffmpeg)?))
    }

    /// Runs FFmpeg to its end. Its standard output is not used.
    pub(crate) async fn run_ffmpeg(
        self,
        arguments: Vec<String>,
        place: Place<'_>,
    ) -> Result<Ended, ConversionError> {
        self.ffmpeg(arguments, place, Stdio::null())?.ended().await.map_err(ConversionError::ffmpeg)
    }

    /// Starts ffprobe on the source with the options for what it shows.
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

    /// FFmpeg's list of the source's tracks, from its log.
    pub(crate) async fn list_tracks(self) -> Result<String, ConversionError> {
        Ok(self.run_ffmpeg(arguments::list(self.input), Place::of_source(self.directory)).await?.log)
    }

    /// The source's path.
    pub(crate) fn source(self) -> PathBuf {
        self.directory.join(SOURCE)
    }

    /// Creates an empty file for FFmpeg, which may write to one but not create one.
    pub(crate) fn empty_file(self, name: &str) -> Result<PathBuf, ConversionError> {
        let path = self.directory.join(name);
        File::create(&path).map_err(ConversionError::Write)?;
        Ok(path)
    }
}
