//! Edits of media files: lost or broken bytes, wrong headers, and uneven clocks.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};

use crate::seeded::Random;
use crate::sources::Source;

/// An edit of a file, or of how it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edit {
    /// No edit.
    None,
    /// A part of the bytes replaced with zeros.
    Zeros(Part),
    /// A part of the bytes replaced with random bytes.
    Noise(Part),
    /// A part of the bytes removed.
    Removal(Part),
    /// The file cut off after this share of its bytes.
    CutOff(f64),
    /// The file twice, one copy after the other.
    Twice,
    /// The audio begins this many seconds after the picture.
    LateSound(f64),
    /// The audio is missing between these seconds.
    Gap(f64, f64),
    /// The audio's timestamps are wrong by up to this share of a packet.
    Jitter(f64),
    /// The headers declare the real length multiplied by this.
    DeclaredLength(f64),
}

/// A part of a file, in shares of its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Its beginning.
    pub start: f64,
    /// Its length.
    pub length: f64,
}

impl Edit {
    /// A random edit among those that are possible with such a file.
    pub fn random(source: Source, random: &mut Random) -> Self {
        loop {
            let edit = Self::any(random);
            if edit.is_possible_with(source) {
                return edit;
            }
        }
    }

    fn any(random: &mut Random) -> Self {
        let part = Part {
            start: *random.pick(&[0.05, 0.2, 0.4, 0.6, 0.8, 0.95]),
            length: *random.pick(&[0.0005, 0.005, 0.02, 0.05, 0.2]),
        };
        match random.below(10) {
            0 => Self::Zeros(part),
            1 => Self::Noise(part),
            2 => Self::Removal(part),
            3 => Self::CutOff(*random.pick(&[0.1, 0.5, 0.8, 0.95, 0.99, 0.999])),
            4 => Self::Twice,
            5 => Self::LateSound(*random.pick(&[0.1, 0.3, 1.0, 3.0])),
            6 => Self::Gap(*random.pick(&[0.5, 2.0, 3.3]), *random.pick(&[3.6, 4.0, 6.1])),
            7 => Self::Jitter(*random.pick(&[0.02, 0.1, 0.2])),
            8 => Self::DeclaredLength(*random.pick(&[0.0, 0.25, 0.5, 0.9, 1.1, 2.0, 100.0])),
            _ => Self::None,
        }
    }

    /// Whether the edit is possible with such a file.
    #[must_use]
    pub fn is_possible_with(self, source: Source) -> bool {
        match self {
            // In an AVI file, FFmpeg puts the first packet at the beginning regardless.
            Self::LateSound(_) => source.has_picture() && source.ending() != "avi",
            Self::DeclaredLength(_) => Declaration::of(source).is_some(),
            _ => true,
        }
    }

    /// Whether all of the audio is still there and nothing in the file contradicts it. Such a file must be
    /// converted.
    #[must_use]
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::None | Self::LateSound(_) | Self::Gap(..) | Self::Jitter(_))
    }

    /// The bytes of such a file of that many seconds, after the edit. The file is made in `folder`, which
    /// must not contain one yet.
    ///
    /// # Errors
    /// FFmpeg is missing or fails, or the file has no declaration to edit.
    pub async fn apply(self, source: Source, seconds: u32, seed: u64, folder: &Path) -> Result<Vec<u8>> {
        let path = match self {
            Self::LateSound(late) => {
                source.make_with(folder, seconds, &["-itsoffset", &late.to_string()], &[]).await?
            }
            Self::Gap(from, to) => {
                let filter = format!("aselect='not(between(t,{from},{to}))'");
                source.make_with(folder, seconds, &[], &["-af", &filter]).await?
            }
            Self::Jitter(share) => {
                let filter = format!("setts=ts=TS+floor({share}*DURATION*2*(random(0)-0.5))");
                source.make_with(folder, seconds, &[], &["-bsf:a", &filter]).await?
            }
            _ => source.make(folder, seconds).await?,
        };
        let mut bytes = tokio::fs::read(path).await?;
        match self {
            Self::None | Self::LateSound(_) | Self::Gap(..) | Self::Jitter(_) => {}
            Self::Zeros(part) => {
                let range = part.range(bytes.len());
                bytes[range].fill(0);
            }
            Self::Noise(part) => {
                let range = part.range(bytes.len());
                let noise = Random(seed).bytes(range.len());
                bytes[range].copy_from_slice(&noise);
            }
            Self::Removal(part) => drop(bytes.drain(part.range(bytes.len()))),
            Self::CutOff(kept) => bytes.truncate(share(bytes.len(), kept)),
            Self::Twice => bytes = bytes.repeat(2),
            Self::DeclaredLength(factor) => {
                let declaration = Declaration::of(source).context("it declares no length")?;
                declaration.multiply(&mut bytes, factor).context("its declared length is not found")?;
            }
        }
        Ok(bytes)
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("as it was"),
            Self::Zeros(part) => write!(f, "zeros in {part}"),
            Self::Noise(part) => write!(f, "noise in {part}"),
            Self::Removal(part) => write!(f, "without {part}"),
            Self::CutOff(kept) => write!(f, "cut off after {:.1} %", kept * 100.0),
            Self::Twice => f.write_str("twice in a row"),
            Self::LateSound(seconds) => write!(f, "with sound from {seconds} s on"),
            Self::Gap(from, to) => write!(f, "without sound from {from} s to {to} s"),
            Self::Jitter(share) => write!(f, "with timestamps off by {share} of a packet"),
            Self::DeclaredLength(factor) => write!(f, "declaring {factor} times its length"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} % of its bytes at {:.0} %", self.length * 100.0, self.start * 100.0)
    }
}

impl Part {
    fn range(self, bytes: usize) -> Range<usize> {
        let start = share(bytes, self.start);
        start..(start + share(bytes, self.length).max(1)).min(bytes)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a byte more or less is no matter"
)]
fn share(bytes: usize, share: f64) -> usize {
    ((bytes as f64 * share) as usize).min(bytes)
}

/// Where a container declares its length: a number after a name, at every place with that name.
struct Declaration {
    names: &'static [Name],
    number: Number,
}

/// The name before a declared length, and the number of bytes between the two.
type Name = (&'static [u8], usize);

#[derive(Clone, Copy)]
enum Number {
    /// 32 bits, big-endian.
    BigEndian,
    /// 32 bits, little-endian.
    LittleEndian,
    /// A big-endian floating-point number of 64 bits.
    Float,
}

impl Declaration {
    fn of(source: Source) -> Option<Self> {
        let (names, number): (&[Name], _) = match source.ending() {
            // An index of fragments declares no length.
            "mp4" if source.name.starts_with("fragments") => return None,
            "mp4" | "mov" | "m4a" | "3gp" => {
                (&[(b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 20)], Number::BigEndian)
            }
            "mkv" | "webm" => (&[(b"\x44\x89\x88", 0)], Number::Float),
            "flv" => (&[(b"duration\0", 0)], Number::Float),
            "avi" => (&[(b"avih", 4 + 16), (b"strh", 4 + 32)], Number::LittleEndian),
            "wav" => (&[(b"data", 0)], Number::LittleEndian),
            _ => return None,
        };
        Some(Self { names, number })
    }

    /// Multiplies all declared lengths. `None` if there are none.
    fn multiply(&self, bytes: &mut [u8], factor: f64) -> Option<()> {
        let places: Vec<usize> = (0..bytes.len())
            .filter_map(|at| {
                let (name, gap) = self.names.iter().find(|(name, _)| bytes[at..].starts_with(name))?;
                Some(at + name.len() + gap)
            })
            .collect();
        for at in &places {
            match self.number {
                Number::BigEndian => {
                    let field: &mut [u8; 4] = bytes.get_mut(*at..at + 4)?.try_into().ok()?;
                    *field = times(u32::from_be_bytes(*field), factor).to_be_bytes();
                }
                Number::LittleEndian => {
                    let field: &mut [u8; 4] = bytes.get_mut(*at..at + 4)?.try_into().ok()?;
                    *field = times(u32::from_le_bytes(*field), factor).to_le_bytes();
                }
                Number::Float => {
                    let field: &mut [u8; 8] = bytes.get_mut(*at..at + 8)?.try_into().ok()?;
                    *field = (f64::from_be_bytes(*field) * factor).to_be_bytes();
                }
            }
        }
        (!places.is_empty()).then_some(())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn times(number: u32, factor: f64) -> u32 {
    (f64::from(number) * factor) as u32
}
