use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::{
    AccountMail, AccountMailContent, ConversionOptions, Job, JobId, MailId, Owner, ProblemCode, Queue,
    Source, VideoFid,
};
use headers::{ContentLength, HeaderMapExt as _};
use jobs::{Accepted, NewJob, Record};
use media_store::StoredFile;
use service_kit::Chain;

use crate::Gateway;
use crate::error::Error;
use crate::identity::caller::Caller;
use crate::intake::storage::no_room;
use crate::intake::turns::give_turn_or_leave;
use crate::openapi::ProblemAnswer;

/// How long an upload waits for RabbitMQ before its body is read.
const BROKER_PATIENCE: Duration = Duration::from_secs(2);

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
        (status = 202, description = "Accepted: the job", body = Job, headers(("location", description = "Address of the job"))),
        (status = 400, description = "`bad_request`, `no_file`, `several_files`, `empty_file`, `incomplete_upload`, `unknown_option`, `bad_option`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 403, description = "`address_not_verified`, `scope_missing`, `storage_full`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`, `too_many_jobs`, `daily_limit`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 507, description = "`insufficient_storage`: the service has no room, try again later", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn upload(
    State(gateway): State<Arc<Gateway>>,
    Caller(owner): Caller,
    request: Request,
) -> Result<Response, Error> {
    let announced = request.headers().typed_get::<ContentLength>().map_or(0, |ContentLength(bytes)| bytes);
    admit(&gateway, &owner, announced).await?;
    let place = gateway.limits.receiving.take(owner.id).await?;
    let promise = gateway.storage.promise(announced)?;
    let received = gateway.uploads.receive(request, &gateway, owner.id, promise).await?;
    drop(place);
    if let Err(refused) = gateway.quotas.check(&gateway, owner.id, received.file.bytes).await {
        if let Err(error) = gateway.videos.delete(received.file.fid).await {
            // The sweeper does it then.
            tracing::warn!(error = %Chain(&error), "could not delete an upload that is one too many");
        }
        return Err(refused);
    }

    let new = job_of(&gateway, JobId::generate(), owner, received.file, received.options).await?;
    let new = new.ok_or(ProblemCode::InvalidToken)?;
    let fid = new.source.fid.0;
    // A crash before this leaves a file that no job refers to: the sweeper deletes it. One after this leaves a job
    // that nobody announced: the reconciler does.
    let record = match gateway.jobs.accept(new).await? {
        Accepted::Queued(record) => record,
        Accepted::OwnerErased => {
            gateway.videos.delete(fid).await?;
            return Err(ProblemCode::InvalidToken.into());
        }
        Accepted::Known => return Err(ProblemCode::Internal.into()),
    };
    if !gateway.videos.is_kept(fid).await? {
        // We were kept waiting so long between the two that a sweeper took the video for nobody's.
        tracing::warn!(job.id = %record.job.id, "an upload was swept away before its job was stored");
        gateway.jobs.erase(record.owner.id, record.job.id).await?;
        return Err(ProblemCode::Unavailable.into());
    }
    welcome(&gateway, &record).await;
    let location = format!("/jobs/{}", record.job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(record.job)).into_response())
}

/// Whether this user may upload so many bytes now.
pub(crate) async fn admit(gateway: &Gateway, owner: &Owner, bytes: u64) -> Result<(), Error> {
    gateway.limits.upload(owner.id)?;
    // Before the body: nobody should send a gigabyte to hear that there is no queue.
    gateway.broker.ready(BROKER_PATIENCE).await.map_err(|_| Error::BrokerAway)?;
    if gateway.broker.is_blocked() {
        return Err(no_room().into());
    }
    gateway.storage.admit(bytes)?;
    gateway.quotas.check(gateway, owner.id, bytes).await
}

/// The job that a stored video becomes; none, and no video either, if its owner's account is gone.
pub(crate) async fn job_of(
    gateway: &Gateway,
    id: JobId,
    mut owner: Owner,
    file: StoredFile,
    options: ConversionOptions,
) -> Result<Option<NewJob>, Error> {
    // It may have taken hours, or days. What an account that is gone uploads must not stay.
    if gateway.revocations.is_erased(owner.id) {
        gateway.videos.delete(file.fid).await?;
        return Ok(None);
    }
    if let Some(email) = gateway.revocations.new_address(owner.id) {
        owner.email = email;
    }
    let source = Source {
        fid: VideoFid(file.fid),
        name: file.name,
        bytes: file.bytes,
        duration_seconds: None,
        declared_seconds: None,
        audio_tracks: Vec::new(),
    };
    Ok(Some(NewJob { id, owner, source, options }))
}

/// What is done about a job that has just been stored: its owner hears of it if they like, and the converters when it is its turn.
pub(crate) async fn welcome(gateway: &Gateway, record: &Record) {
    let job = &record.job;
    tracing::info!(job.id = %job.id, user.id = %record.owner.id, bytes = job.source.bytes, "accepted");
    if record.owner.mails.submitted
        && let Err(error) = tell_of_acceptance(gateway, record).await
    {
        // The job says that it is due, so the reconciler does it.
        tracing::warn!(job.id = %job.id, error = %Chain(&error), "could not send a mail about an upload yet");
    }
    give_turn_or_leave(gateway, record.owner.id).await;
}

/// Asks for the mail that a job was accepted. However often: its id is the job's.
pub(crate) async fn tell_of_acceptance(gateway: &Gateway, record: &Record) -> Result<(), Error> {
    let content = AccountMailContent::Submitted { name: record.job.source.name.clone() };
    let mail_id = MailId::from(record.job.id);
    let mail = AccountMail::new(mail_id, record.owner.email.clone(), content);
    gateway.broker.publish(Queue::Account, &mail_id.to_string(), &mail).await?;
    gateway.jobs.mark_welcomed(record.job.id).await?;
    Ok(())
}
