//! Selects the cover among a file's pictures, and scales it.

use std::cmp::Reverse;

/// An embedded picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PictureStream {
    /// Its index among all tracks.
    pub index: u32,
    /// Width in pixels; 0 if unknown.
    pub width: u32,
    /// Height in pixels; 0 if unknown.
    pub height: u32,
    /// Its tag `comment`: what it shows, in ID3's words, such as `Cover (front)`.
    pub comment: Option<String>,
    /// Its tag `filename`, in Matroska.
    pub file_name: Option<String>,
}

/// FFmpeg's filter for square pixels: at most a thousand each way, and never more than the source has.
///
/// Wide pixels reduce the height, tall pixels the width. (FFmpeg's `sar` is 1 if the pixels' shape is
/// unknown.)
pub(crate) const SQUARE_PIXELS: &str = "scale=w='max(1,round(iw*min(1,sar)*min(1,1000/max(iw*min(1,sar),ih/max(1,sar)))))':\
    h='max(1,round(ih/max(1,sar)*min(1,1000/max(iw*min(1,sar),ih/max(1,sar)))))',\
    setsar=1,format=yuvj420p";

/// What a picture shows, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Motif {
    Front,
    /// The same for wide screens.
    Landscape,
    Unknown,
    /// Back, artist, leaflet and so on.
    Other,
    Icon,
}

/// The index of the cover: the front before others, large before small, otherwise the first.
pub(crate) fn cover_of(pictures: &[PictureStream]) -> Option<u32> {
    let rank = |picture: &&PictureStream| {
        let pixels = u64::from(picture.width) * u64::from(picture.height);
        (picture.motif(), picture.is_small(), Reverse(pixels), picture.index)
    };
    pictures.iter().min_by_key(rank).map(|picture| picture.index)
}

impl PictureStream {
    /// Whether its name says that it is the small one: Matroska stores covers in two sizes.
    fn is_small(&self) -> bool {
        self.file_name.as_ref().is_some_and(|name| name.to_ascii_lowercase().starts_with("small_"))
    }

    fn motif(&self) -> Motif {
        let comment = self.comment.as_deref().unwrap_or_default().to_ascii_lowercase();
        let file = self.file_name.as_deref().unwrap_or_default().to_ascii_lowercase();
        let name = file.rsplit_once('.').map_or(file.as_str(), |(name, _)| name);
        match name {
            "cover" | "small_cover" | "front" | "folder" => return Motif::Front,
            "cover_land" | "small_cover_land" => return Motif::Landscape,
            _ => {}
        }
        if comment.contains("front") {
            Motif::Front
        } else if comment.contains("icon") {
            Motif::Icon
        } else if (comment.is_empty() || comment == "other") && name.is_empty() {
            Motif::Unknown
        } else {
            Motif::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(index: u32, side: u32, comment: &str, file: &str) -> PictureStream {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        PictureStream { index, width: side, height: side, comment: text(comment), file_name: text(file) }
    }

    #[test]
    fn the_front_is_the_cover_wherever_it_stands() {
        let back = picture(1, 900, "Cover (back)", "");
        let front = picture(3, 300, "Cover (front)", "");
        let icon = picture(2, 32, "32x32 pixels 'file icon'", "");
        assert_eq!(cover_of(&[back.clone(), icon.clone(), front]), Some(3));
        assert_eq!(cover_of(&[icon.clone(), back.clone()]), Some(1));
        assert_eq!(cover_of(&[back, picture(4, 100, "", "")]), Some(4));
        assert_eq!(cover_of(&[icon]), Some(2));
        assert_eq!(cover_of(&[]), None);
    }

    #[test]
    fn a_large_picture_is_taken_before_a_small_one_and_then_the_first() {
        let small = picture(1, 120, "", "small_cover.jpg");
        let wide = picture(2, 1200, "", "cover_land.jpg");
        let large = picture(3, 600, "", "Cover.PNG");
        assert_eq!(cover_of(&[small.clone(), wide.clone(), large]), Some(3));
        assert_eq!(cover_of(&[wide, small.clone()]), Some(1));
        assert_eq!(cover_of(&[small, picture(3, 0, "", "cover.jpg")]), Some(3));
        assert_eq!(cover_of(&[picture(5, 600, "", ""), picture(4, 600, "Other", "")]), Some(4));
    }
}
