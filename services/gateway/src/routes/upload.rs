use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::ProblemCode;

use crate::delivery::JobView;
use crate::error::Error;
use crate::identity::{Caller, Upload};
use crate::state::Gateway;

/// What an upload's form may hold.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form to the OpenAPI document")]
pub(crate) struct UploadForm {
    /// The video; the field may have any name. Exactly one.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What kind of file is made: `mp3` (the default), `m4a` (AAC), `opus`, `flac` or `wav`. Sound that is in the video as it
    /// was asked for already is copied, not encoded again: AAC for `m4a`, and MP3 for `mp3` without a `quality`.
    #[schema(pattern = "^(mp3|m4a|opus|flac|wav)$", default = "mp3")]
    format: Option<String>,
    /// Variable bit rate quality of an MP3, `V0` (best) to `V9` (smallest); `V2` if neither this nor `bitrate` is given.
    #[schema(pattern = "^[Vv]?[0-9]$")]
    quality: Option<String>,
    /// Bit rate in kbit/s: 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256 or 320 (not for `opus`). Constant for `mp3`, a
    /// mean for `m4a` (160 by default for stereo) and `opus` (128). Excludes `quality`.
    bitrate: Option<String>,
    /// How a long MP3 is encoded: `parallel` (the default) on every core, every frame by itself; `repacked` likewise, but 8 % smaller
    /// at V2, since frames then fill the room that others leave (the sound is the same; not with a `bitrate`); `sequential` on one core,
    /// with LAME's bit reservoir.
    #[schema(pattern = "^(parallel|repacked|sequential)$", default = "parallel")]
    encoder: Option<String>,
    /// Sample rate in Hz, if not the source's: 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, or 96000 for `m4a`,
    /// `flac` and `wav`. Opus takes 8000, 12000, 16000, 24000 and 48000.
    sample_rate: Option<String>,
    /// `1` (mono) or `2` (stereo), if not the source's. MP3 has two at most either way.
    #[schema(pattern = "^[12]$")]
    channels: Option<String>,
    /// Where to begin: seconds (`62.5`) or `HH:MM:SS.mmm`, exact to the sample.
    start: Option<String>,
    /// Where to end, likewise.
    end: Option<String>,
    /// Which audio track: its index in the job's `source.audio_tracks`, from 0; its language, as any code of ISO 639 or a tag of BCP 47
    /// (`de`, `ger`, `deu` and `de-AT` are one language, and a region is preferred where the video has it); or `all`, which joins the
    /// tracks of several microphones: two mono tracks become left and right, others are mixed. Without it, the track that a player
    /// would take. Commentaries and descriptions for the blind are taken only where there is nothing else, or by their index.
    #[schema(max_length = 35)]
    track: Option<String>,
    /// Brings the sound to a loudness (EBU R 128, in two passes): `true` for -23 LUFS, or a number from -36 to -5. True peaks stay
    /// below -1 dBTP.
    normalize: Option<String>,
    /// Title instead of the video's, 1 to 250 characters.
    #[schema(max_length = 250)]
    title: Option<String>,
    /// Artist, likewise.
    #[schema(max_length = 250)]
    artist: Option<String>,
    /// Album, likewise.
    #[schema(max_length = 250)]
    album: Option<String>,
    /// The picture in an MP3, M4A or FLAC file: `auto` (the default: the one that is embedded in the video, if any), `none`, or the
    /// time of a frame as seconds or `HH:MM:SS.mmm`.
    cover: Option<String>,
    /// `keep` (the default) takes over the video's titles, chapters and embedded picture, `strip` does not. Where it was recorded is
    /// never taken over.
    #[schema(pattern = "^(keep|strip)$", default = "keep")]
    metadata: Option<String>,
}

/// Upload a video to be converted.
#[utoipa::path(
    post, path = "/upload", tag = "jobs", security(("token" = [])),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, description = "Accepted: the job", body = JobView, headers(("location", description = "Address of the job"))),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NoFile, ProblemCode::SeveralFiles, ProblemCode::EmptyFile, ProblemCode::IncompleteUpload, ProblemCode::UnknownOption, ProblemCode::BadOption, ProblemCode::AddressNotVerified, ProblemCode::StorageFull, ProblemCode::TooManyJobs, ProblemCode::DailyLimit, ProblemCode::InsufficientStorage]))),
)]
pub(crate) async fn upload_video(
    State(gateway): State<Gateway>,
    Caller { owner, .. }: Caller<Upload>,
    request: Request,
) -> Result<Response, Error> {
    let job = gateway.intake.take_upload(owner, request).await?;
    let location = [(header::LOCATION, format!("/jobs/{}", job.id))];
    Ok((StatusCode::ACCEPTED, location, Json(gateway.view(job))).into_response())
}
