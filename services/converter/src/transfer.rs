//! Copies files between GridFS and the scratch directory.

use std::io;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use contracts::{AudioFormat, Mp3Fid, VideoFid, file_name_of};
use futures_util::TryStreamExt as _;
use media_store::{MediaStore, StoreError};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::engine::Converted;

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    /// The store does not have the file, or only a part of it.
    #[error("the video is not in the store")]
    Missing(#[source] Option<StoreError>),
    /// The store failed.
    #[error("could not move a file from or to the store")]
    Store(#[source] StoreError),
    /// The scratch directory failed.
    #[error("could not use the scratch directory")]
    Scratch(#[from] io::Error),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Deleted(_) | StoreError::Corrupt { .. } => Self::Missing(Some(error)),
            StoreError::Unavailable { .. }
            | StoreError::Database { .. }
            | StoreError::Lost
            | StoreError::Taken
            | StoreError::Incomplete => Self::Store(error),
        }
    }
}

/// Copies a video into a file.
pub(crate) async fn fetch(videos: &MediaStore, fid: VideoFid, path: &Path) -> Result<(), TransferError> {
    let stored = videos.open(fid.0).await?.ok_or(TransferError::Missing(None))?;
    let mut pieces = std::pin::pin!(videos.read(&stored, 0..stored.bytes));
    let mut file = File::create_new(path).await?;
    // Pieces are whole chunks. The default buffer would split each into eight writes.
    file.set_max_buf_size(1024 * 1024);
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece).await?;
    }
    // Errors of the last writes appear here.
    file.flush().await?;
    Ok(())
}

/// The store's transfer size.
const PIECE_BYTES: usize = 512 * 1024;

/// Eight times the size of a picture of pure noise, and a quarter of MongoDB's document limit.
const MAX_PICTURE_BYTES: usize = 4 << 20;

/// Copies a finished file, its waveform and its picture into the store. Until a job refers to it, the caller
/// must delete it on failure.
pub(crate) async fn store(
    mp3s: &MediaStore,
    name: &str,
    converted: &Converted,
    right: String,
) -> Result<Mp3Fid, TransferError> {
    let mut file = File::open(&converted.path).await?;
    file.set_max_buf_size(PIECE_BYTES);
    let mut upload = mp3s.begin(name, converted.format.media_type()).await?;
    // The sweeper must not delete the file before the job is committed, so it is reserved for as long as that
    // may take.
    upload.reserve(right);
    upload.attach(Bytes::copy_from_slice(&converted.peaks));
    if let Some(cover) = &converted.cover {
        let picture = tokio::fs::read(cover).await?;
        if picture.len() <= MAX_PICTURE_BYTES {
            upload.attach_picture(picture.into());
        }
    }
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        if file.read_buf(&mut piece).await? == 0 {
            break;
        }
        upload.write(piece.freeze()).await?;
    }
    Ok(Mp3Fid(upload.finish().await?.fid))
}

/// The audio file's name: the video's name with another extension.
pub(crate) fn file_name(video: &str, format: AudioFormat) -> String {
    let stem = match video.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 5 => stem,
        _ => video,
    };
    file_name_of(stem, &format!(".{}", format.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_like_its_video() {
        let name = |video| file_name(video, AudioFormat::Mp3);
        assert_eq!(name("lecture.v2.mp4"), "lecture.v2.mp3");
        assert_eq!(name("lecture"), "lecture.mp3");
        assert_eq!(name(".mov"), ".mov.mp3");
        assert_eq!(name("Dr. Strangelove"), "Dr. Strangelove.mp3");
        assert_eq!(file_name("song.wav", AudioFormat::Flac), "song.flac");
        let long = file_name(&format!("{}.ts", "a".repeat(252)), AudioFormat::Flac);
        assert_eq!(long, format!("{}.flac", "a".repeat(250)));
    }
}
