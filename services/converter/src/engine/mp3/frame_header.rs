//! The header of an MPEG audio frame: ISO/IEC 11172-3, 2.4.2.3, and ISO/IEC 13818-3,
//! 2.4.2.3; the 2.5 extension is Fraunhofer's.

#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub is_mpeg1: bool,
    pub is_mono: bool,
    pub has_checksum: bool,
    pub bitrate_bps: u32,
    pub sample_rate_hz: u32,
    pub padding: u32,
}

const MPEG1_KBPS: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG2_KBPS: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

impl Header {
    pub(crate) fn parse(bytes: [u8; 4]) -> Option<Self> {
        let word = u32::from_be_bytes(bytes);
        let field = |shift: u32, bits: u32| (word >> shift) & ((1 << bits) - 1);
        if field(21, 11) != 0x7ff || field(17, 2) != 0b01 {
            return None; // No sync word, or not layer III.
        }
        let divisor = match field(19, 2) {
            0b11 => 1,
            0b10 => 2,
            0b00 => 4,
            _ => return None,
        };
        let is_mpeg1 = divisor == 1;
        let rates = if is_mpeg1 { &MPEG1_KBPS } else { &MPEG2_KBPS };
        // Index 0 is "free format", which no encoder of ours writes.
        let bitrate =
            usize::try_from(field(12, 4)).ok()?.checked_sub(1).and_then(|index| rates.get(index))?;
        let sample_rate_hz = [44_100, 48_000, 32_000].get(usize::try_from(field(10, 2)).ok()?)? / divisor;
        Some(Self {
            is_mpeg1,
            is_mono: field(6, 2) == 0b11,
            has_checksum: field(16, 1) == 0,
            bitrate_bps: bitrate * 1000,
            sample_rate_hz,
            padding: field(9, 1),
        })
    }

    pub(crate) fn samples(self) -> u32 {
        if self.is_mpeg1 { 1152 } else { 576 }
    }

    pub(crate) fn frame_bytes(self) -> u32 {
        self.samples() / 8 * self.bitrate_bps / self.sample_rate_hz + self.padding
    }

    pub(crate) fn side_information_bytes(self) -> usize {
        match (self.is_mpeg1, self.is_mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        }
    }
}
