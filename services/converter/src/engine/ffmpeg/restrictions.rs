//! What FFmpeg and ffprobe themselves are told about a stranger's file, in front of its name.

use std::fmt::Write as _;

/// A file is opened as one of these formats and as nothing else.
///
/// Playlists, scripts and session descriptions, with which a file makes FFmpeg open other files and
/// addresses, are no such formats, nor are pictures, subtitles and text. Beside the containers of videos and
/// sounds there are raw video streams, so that their owner is told that they have no sound.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,mxf,rm,dv,wtv,swf,nut,gxf,\
    loas,mpc,mpc8,mp3,aac,ac3,eac3,dts,flac,wav,w64,aiff,au,caf,amr,amrnb,amrwb,ape,tta,wv,mpegvideo,h264";

/// Sound is decoded by these and nothing else is decoded at all: no pictures, no subtitles. Where the decoder
/// of a codec has another name than the codec, both are here.
const DECODERS: &str = "aac,aac_latm,ac3,eac3,alac,als,mp4als,amr_nb,amrnb,amr_wb,amrwb,ape,cook,dca,dts,flac,gsm,gsm_ms,\
    mpc7,mpc8,musepack7,musepack8,mp1,mp1float,mp2,mp2float,mp3,mp3float,opus,vorbis,speex,libspeex,tta,truehd,mlp,wavpack,\
    wmav1,wmav2,wmapro,wmalossless,wmavoice,nellymoser,ra_144,ra_288,ralf,qdm2,qdmc,sipr,atrac3,\
    pcm_alaw,pcm_bluray,pcm_dvd,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16be_planar,\
    pcm_s16le,pcm_s16le_planar,pcm_s24be,pcm_s24le,pcm_s24le_planar,pcm_s32be,pcm_s32le,pcm_s32le_planar,\
    pcm_s64be,pcm_s64le,pcm_s8,pcm_s8_planar,pcm_u16be,pcm_u16le,pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_u8,\
    adpcm_g722,adpcm_g726,adpcm_g726le,adpcm_ima_amv,adpcm_ima_dk3,adpcm_ima_dk4,adpcm_ima_qt,adpcm_ima_wav,\
    adpcm_ms,adpcm_swf,adpcm_yamaha,\
    dvaudio,iac,imc,mace3,mace6,metasound,on2avc,qcelp,s302m,truespeech";

/// A cover is decoded by these: pictures, and the videos of which it may be a frame.
const PICTURE_DECODERS: &str = "mjpeg,png,bmp,webp,h264,hevc,vp8,vp9,av1,libdav1d,mpeg1video,mpeg2video,mpeg4,\
    msmpeg4v1,msmpeg4v2,msmpeg4,msmpeg4v3,h263,flv,flv1,wmv1,wmv2,wmv3,vc1,theora,dvvideo,prores,dnxhd,rv30,rv40,vp6,vp6f,\
    cinepak,svq3,rawvideo,ffv1,huffyuv";

/// The largest piece of memory that is asked for at once, in bytes. The index of
/// twelve hours of video takes half of it.
const MAX_ALLOCATION_BYTES: &str = "268435456";

/// How much of a file is read to find out what is in it, in bytes. FFmpeg's own default: more
/// would make a slow start of a hostile file.
const PROBE_BYTES: &str = "5000000";

/// How much is read, and how far, in microseconds, where nothing was found in the beginning: five minutes of
/// a Blu-ray's picture have a gigabyte, those of a camera a quarter of that.
const PATIENT_PROBE_BYTES: &str = "250000000";
const PATIENT_PROBE_TIME: &str = "300000000";

/// The file that a program opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub file: &'a str,
    pub max_tracks: u16,
    /// Whether its tracks may begin late.
    pub is_patient: bool,
}

impl Input<'_> {
    /// The options that both programs get.
    pub(crate) fn options(self) -> Vec<String> {
        self.options_with(DECODERS)
    }

    /// The options that FFmpeg gets where it is to make a cover.
    pub(crate) fn picture_options(self) -> Vec<String> {
        self.options_with(PICTURE_DECODERS)
    }

    /// What ffprobe gets.
    ///
    /// It opens a decoder for each track and gives up if it may not, although it decodes nothing with
    /// it. (What looks into packets are the libraries below it, which heed the list of formats and
    /// decoders all the same.) So it may open all.
    pub(crate) fn ffprobe_options(self, decoders: &str) -> Vec<String> {
        let mut options = self.options();
        // With an empty specification of streams, which overrides the option
        // without one, and is none to the libraries.
        options.extend(["-codec_whitelist:", decoders].map(str::to_owned));
        options
    }

    fn options_with(self, decoders: &str) -> Vec<String> {
        let tracks = self.max_tracks.to_string();
        let options = [
            ["-max_alloc", MAX_ALLOCATION_BYTES],
            // A format that can refer to other files still cannot to other addresses.
            ["-protocol_whitelist", "file"],
            ["-format_whitelist", FORMATS],
            ["-codec_whitelist", decoders],
            ["-max_streams", &tracks],
            ["-threads", "1"],
        ];
        let extent = if self.is_patient {
            &[["-probesize", PATIENT_PROBE_BYTES], ["-analyzeduration", PATIENT_PROBE_TIME]][..]
        } else {
            &[["-probesize", PROBE_BYTES]]
        };
        options.iter().chain(extent).flatten().map(|option| (*option).to_owned()).collect()
    }
}

/// What FFmpeg opens that is no sound and no video: playlists and the like, subtitles, text, pictures.
const NO_MEDIA: &str = "hls,applehttp,dash,imf,concat,concatf,sdp,rtsp,rtp,sap,webm_dash_manifest,ffmetadata,lavfi,\
    aqtitle,ass,jacosub,lrc,mcc,microdvd,mpl2,mpsub,pjs,realtext,sami,scc,srt,stl,subviewer,subviewer1,sup,tedcaptions,\
    vobsub,vplayer,webvtt,tty,ans,bin,xbin,idf,adf,txd,image2,image2pipe,apng,gif,ico,alias_pix,brender_pix";

/// FFmpeg's name of the format that it recognised and was not to open, by a line such as
/// `[gsm @ 0x55d] [error] Format not on whitelist 'mov,…'`.
pub(crate) fn refused_format(log: &str) -> Option<&str> {
    let line = log.lines().find(|line| line.contains("Format not on whitelist"))?;
    line.strip_prefix('[')?.split_once(" @ ").map(|(format, _)| format)
}

/// Whether a file of this format is none that anybody would listen to.
pub(crate) fn is_no_media(format: &str) -> bool {
    // Pictures are recognised by what is behind the name of each of their codecs.
    format.ends_with("_pipe") || format.split(',').any(|name| NO_MEDIA.split(',').any(|other| other == name))
}

/// Whether there is a decoder for the codec of this name among those that are used.
pub(crate) fn is_decodable(codec: &str) -> bool {
    DECODERS.split(',').any(|decoder| decoder == codec)
}

/// Whether a line of a log says that something was not decoded on purpose. Such a line may begin like one
/// about a damaged container: there is a decoder `flv`, too.
pub(crate) fn is_about_refused_decoder(line: &str) -> bool {
    line.contains("Codec (") && line.contains(") not on whitelist")
}

/// The names of all decoders that a program has, from what it prints about `-decoders`.
pub(crate) fn decoder_names(table: &str) -> String {
    // Six letters of what it can, the name, a description; above a line of dashes, what the letters mean.
    let rows = table.lines().skip_while(|line| !line.trim_start().starts_with("---")).skip(1);
    rows.filter_map(|row| row.split_whitespace().nth(1)).fold(String::new(), |mut names, name| {
        // Writing into a string cannot fail.
        let _ = write!(names, "{}{name}", if names.is_empty() { "" } else { "," });
        names
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_refers_to_other_files_is_a_format() {
        let formats: Vec<_> = FORMATS.split(',').collect();
        for format in
            ["hls", "applehttp", "dash", "concat", "sdp", "rtsp", "image2", "srt", "tty", "xbin", "lavfi"]
        {
            assert!(!formats.contains(&format), "{format}");
        }
    }

    #[test]
    fn decoders_are_listed_by_name() {
        let table = "Decoders:\n V..... = Video\n ------\n V....D h264   H.264 / AVC\n A....D mp3float MP3 (codec mp3)\n";
        assert_eq!(decoder_names(table), "h264,mp3float");
        assert_eq!(decoder_names("nothing"), "");
        assert!(is_decodable("dts") && !is_decodable("h264"));
    }
}
