//! The options that restrict FFmpeg and ffprobe on an untrusted file. They come before its name.

use std::fmt::Write as _;

/// The only formats that a file is opened as.
///
/// Not in the list: playlists, scripts and session descriptions, which make FFmpeg open other files and
/// addresses; and pictures, subtitles and text. Beside the containers of video and audio it has raw video
/// streams, so that their owner is told that they have no audio.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,mxf,rm,dv,wtv,swf,nut,gxf,\
    loas,mpc,mpc8,mp3,aac,ac3,eac3,dts,flac,wav,w64,aiff,au,caf,amr,amrnb,amrwb,ape,tta,wv,mpegvideo,h264";

/// The only decoders, all for audio: pictures and subtitles are not decoded. A codec whose decoder has
/// another name is listed under both names.
const DECODERS: &str = "aac,aac_latm,ac3,eac3,alac,als,mp4als,amr_nb,amrnb,amr_wb,amrwb,ape,cook,dca,dts,flac,gsm,gsm_ms,\
    mpc7,mpc8,musepack7,musepack8,mp1,mp1float,mp2,mp2float,mp3,mp3float,opus,vorbis,speex,libspeex,tta,truehd,mlp,wavpack,\
    wmav1,wmav2,wmapro,wmalossless,wmavoice,nellymoser,ra_144,ra_288,ralf,qdm2,qdmc,sipr,atrac3,\
    pcm_alaw,pcm_bluray,pcm_dvd,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16be_planar,\
    pcm_s16le,pcm_s16le_planar,pcm_s24be,pcm_s24le,pcm_s24le_planar,pcm_s32be,pcm_s32le,pcm_s32le_planar,\
    pcm_s64be,pcm_s64le,pcm_s8,pcm_s8_planar,pcm_u16be,pcm_u16le,pcm_u24be,pcm_u24le,pcm_u32be,pcm_u32le,pcm_u8,\
    adpcm_g722,adpcm_g726,adpcm_g726le,adpcm_ima_amv,adpcm_ima_dk3,adpcm_ima_dk4,adpcm_ima_qt,adpcm_ima_wav,\
    adpcm_ms,adpcm_swf,adpcm_yamaha,\
    dvaudio,iac,imc,mace3,mace6,metasound,on2avc,qcelp,s302m,truespeech";

/// The decoders for a cover: pictures, and the videos whose frame may become the cover.
const PICTURE_DECODERS: &str = "mjpeg,png,bmp,webp,h264,hevc,vp8,vp9,av1,libdav1d,mpeg1video,mpeg2video,mpeg4,\
    msmpeg4v1,msmpeg4v2,msmpeg4,msmpeg4v3,h263,flv,flv1,wmv1,wmv2,wmv3,vc1,theora,dvvideo,prores,dnxhd,rv30,rv40,vp6,vp6f,\
    cinepak,svq3,rawvideo,ffv1,huffyuv";

/// The largest single allocation in bytes. The index of twelve hours of video takes half of it.
const MAX_ALLOCATION_BYTES: &str = "268435456";

/// Bytes that are read to detect the tracks. FFmpeg's own default: more would let a hostile file delay the
/// start.
const PROBE_BYTES: &str = "5000000";

/// The limits of a second, longer probe when the first found no audio, in bytes and microseconds. Five
/// minutes of a Blu-ray's picture take a gigabyte, those of a camera a quarter of that.
const PATIENT_PROBE_BYTES: &str = "250000000";
const PATIENT_PROBE_TIME: &str = "300000000";

/// The file to open, and how far to probe it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub file: &'a str,
    pub max_tracks: u16,
    /// Whether its tracks may begin late, which needs the longer probe.
    pub is_patient: bool,
}

impl Input<'_> {
    /// The options for both programs.
    pub(crate) fn options(self) -> Vec<String> {
        self.options_with(DECODERS)
    }

    /// The options for an FFmpeg that makes a cover.
    pub(crate) fn picture_options(self) -> Vec<String> {
        self.options_with(PICTURE_DECODERS)
    }

    /// The options for ffprobe.
    ///
    /// ffprobe opens a decoder for each track and gives up if it may not, although it decodes nothing. So all
    /// decoders are allowed for it. The libraries below it, which do look into packets, still obey the lists
    /// of formats and decoders.
    pub(crate) fn ffprobe_options(self, decoders: &str) -> Vec<String> {
        let mut options = self.options();
        // The empty stream specifier overrides the option without one for ffprobe only. The libraries ignore
        // it.
        options.extend(["-codec_whitelist:", decoders].map(str::to_owned));
        options
    }

    fn options_with(self, decoders: &str) -> Vec<String> {
        let tracks = self.max_tracks.to_string();
        let options = [
            ["-max_alloc", MAX_ALLOCATION_BYTES],
            // A format that refers to other files still cannot refer to network addresses.
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

/// Formats that FFmpeg opens but that contain neither audio nor video: playlists, subtitles, text, pictures.
const NO_MEDIA: &str = "hls,applehttp,dash,imf,concat,concatf,sdp,rtsp,rtp,sap,webm_dash_manifest,ffmetadata,lavfi,\
    aqtitle,ass,jacosub,lrc,mcc,microdvd,mpl2,mpsub,pjs,realtext,sami,scc,srt,stl,subviewer,subviewer1,sup,tedcaptions,\
    vobsub,vplayer,webvtt,tty,ans,bin,xbin,idf,adf,txd,image2,image2pipe,apng,gif,ico,alias_pix,brender_pix";

/// FFmpeg's name of a format that it recognised but may not open, from a line such as
/// `[gsm @ 0x55d] [error] Format not on whitelist 'mov,…'`.
pub(crate) fn refused_format(log: &str) -> Option<&str> {
    let line = log.lines().find(|line| line.contains("Format not on whitelist"))?;
    line.strip_prefix('[')?.split_once(" @ ").map(|(format, _)| format)
}

/// Whether this format never contains audio.
pub(crate) fn is_no_media(format: &str) -> bool {
    // FFmpeg's picture formats are named after their codec and end in `_pipe`.
    format.ends_with("_pipe") || format.split(',').any(|name| NO_MEDIA.split(',').any(|other| other == name))
}

/// Whether an allowed decoder exists for the codec of this name.
pub(crate) fn is_decodable(codec: &str) -> bool {
    DECODERS.split(',').any(|decoder| decoder == codec)
}

/// Whether a log line reports a decoder that is refused on purpose. Such a line may look like one about a
/// damaged container, because decoders such as `flv` share their name with a format.
pub(crate) fn is_about_refused_decoder(line: &str) -> bool {
    line.contains("Codec (") && line.contains(") not on whitelist")
}

/// The names of all decoders of a program, from its output for `-decoders`.
pub(crate) fn decoder_names(table: &str) -> String {
    // Each row: six letters for the features, the name, a description. The letters are explained above a line
    // of dashes.
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
