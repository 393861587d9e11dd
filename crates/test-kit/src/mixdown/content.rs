use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::Result;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::io::AsyncReadExt as _;

/// The unit in which large contents are written and read, here and by the driver's streams.
pub const PIECE_BYTES: usize = 1 << 20;

/// Random, so that MongoDB cannot compress it: nothing repeats within a chunk of 255 KiB.
pub static PIECE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    use std::io::Read as _;
    let mut piece = vec![0; PIECE_BYTES];
    let filled = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut piece));
    if let Err(error) = filled {
        panic!("no randomness: {error}");
    }
    piece
});

/// A content that is uploaded piece by piece, whatever its size.
#[derive(Debug, Clone)]
pub enum Content {
    /// A file from the disk.
    File(PathBuf),
    /// This many random pieces, which no disk slows down.
    Pieces(usize),
}

impl Content {
    pub(super) async fn bytes(&self) -> Result<u64> {
        match self {
            Self::File(path) => Ok(tokio::fs::metadata(path).await?.len()),
            Self::Pieces(count) => Ok((count * PIECE_BYTES) as u64),
        }
    }

    pub(super) async fn pieces(&self) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>> {
        Ok(match self {
            Self::Pieces(count) => {
                stream::iter((0..*count).map(|_| Ok(Bytes::from_static(&PIECE)))).left_stream()
            }
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await?;
                let pieces = stream::try_unfold(file, async |mut file| {
                    let mut piece = Vec::with_capacity(PIECE_BYTES);
                    let length = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await?;
                    Ok((length > 0).then_some((Bytes::from(piece), file)))
                });
                pieces.right_stream()
            }
        })
    }
}
