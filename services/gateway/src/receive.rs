//! Receiving an upload: a multipart body of any size, from a client of any speed, into GridFS.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use contracts::{ConversionOptions, InvalidOption, ProblemCode, UserId, decode_legacy_text};
use futures_util::{Stream, StreamExt as _};
use headers::{ContentLength, HeaderMapExt as _};
use media_store::{StoreError, StoredFile};
use service_kit::{IdleBudget as Patience, Pace, Problem};
use tokio::time::Instant;

use crate::error::Error;
use crate::file_name::display_name;
use crate::multipart::{Boundary, Multipart, MultipartError, Part};
use crate::storage::Promise;
use crate::{Config, Gateway};

/// What is asked of an upload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadPolicy {
    max_bytes: u64,
    pace: Pace,
    timeout: Duration,
    lasts: Duration,
}

impl From<&Config> for UploadPolicy {
    fn from(config: &Config) -> Self {
        Self {
            max_bytes: config.max_upload_bytes,
            pace: Pace { idle_timeout: config.upload_idle_timeout, min_rate: config.min_upload_rate },
            timeout: config.upload_timeout,
            lasts: config.upload_expiry,
        }
    }
}

/// A received upload.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) file: StoredFile,
    pub(crate) options: ConversionOptions,
}

/// Why nothing was received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the upload is refused")]
    Refused(Problem),
    #[error("could not store the upload")]
    Store(#[from] StoreError),
}

impl From<ProblemCode> for UploadError {
    fn from(code: ProblemCode) -> Self {
        Self::Refused(code.into())
    }
}

impl From<InvalidOption> for UploadError {
    fn from(error: InvalidOption) -> Self {
        let code = match error {
            InvalidOption::Unknown(_) => ProblemCode::UnknownOption,
            InvalidOption::Value { .. } | InvalidOption::Twice(_) | InvalidOption::Conflict(_) => {
                ProblemCode::BadOption
            }
        };
        Self::Refused(Problem::new(code).with_detail(error.to_string()))
    }
}

/// What surrounds a file in a multipart body: boundaries, part headers and option fields.
const ENVELOPE_BYTES: u64 = 64 << 10;

/// How often an upload is held against the quotas.
const LOOK_EVERY_BYTES: u64 = 64 << 20;

const MAX_OPTIONS: usize = 32;
const MAX_OPTION_BYTES: usize = 1 << 10;

/// What a file is to be called and become.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) options: ConversionOptions,
}

impl Wish {
    pub(crate) fn new(
        name: String,
        content_type: Option<&str>,
        options: &[(String, String)],
    ) -> Result<Self, UploadError> {
        if options.len() > MAX_OPTIONS || options.iter().any(|(_, value)| value.len() > MAX_OPTION_BYTES) {
            return Err(ProblemCode::BadOption.into());
        }
        let content_type = content_type.filter(|kind| kind.len() <= MAX_OPTION_BYTES);
        let content_type = content_type.unwrap_or(UNKNOWN_TYPE).to_owned();
        Ok(Self { name, content_type, options: parse_options(options)? })
    }
}

/// The media type of a file of which none is told.
const UNKNOWN_TYPE: &str = "application/octet-stream";

impl UploadPolicy {
    /// The size of the largest file that is taken.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// How long an unfinished upload is kept.
    pub(crate) fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Stores the one file of a multipart request and reads the options beside it. On every error, and when the
    /// client goes away, nothing of it stays.
    pub(crate) async fn receive(
        &self,
        request: Request,
        gateway: &Gateway,
        owner: UserId,
        mut promise: Promise,
    ) -> Result<Received, Error> {
        let announced = request.headers().typed_get::<ContentLength>();
        if announced.is_some_and(|ContentLength(bytes)| bytes > self.max_bytes + ENVELOPE_BYTES) {
            return Err(self.too_large().into());
        }
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let boundary = content_type.and_then(|value| Boundary::of(value.as_bytes()));
        let boundary = boundary.ok_or(ProblemCode::UnsupportedMediaType)?;
        let body = GuardedBody::new(request.into_body(), self, self.max_bytes + ENVELOPE_BYTES);
        let mut form = Multipart::new(body, &boundary);

        let mut options = Vec::new();
        let mut upload = None;
        while let Some(part) = form.next_part().await.map_err(|error| self.broken(&error))? {
            if let Some(name) = &part.file_name {
                if upload.is_some() {
                    return Err(ProblemCode::SeveralFiles.into());
                }
                let content_type = part.content_type.as_deref().unwrap_or(UNKNOWN_TYPE);
                let (owner_name, name) = (jobs::pseudonym(owner), display_name(name));
                let bytes = announced.map_or(0, |ContentLength(bytes)| bytes);
                let file = gateway.videos.begin_for(&owner_name, bytes, &name, content_type).await;
                let file = file.map_err(UploadError::from)?;
                // Behind the mark: of several at once each sees the others.
                gateway.quotas.check(gateway, owner, 0).await?;
                upload = Some(self.store_file(&mut form, file, gateway, owner, &mut promise).await?);
            } else {
                options.push(self.option(part, &mut form).await?);
                if options.len() > MAX_OPTIONS {
                    return Err(ProblemCode::BadOption.into());
                }
                // At once, so that a wrong option in front of the file saves the transfer.
                parse_options(&options).map_err(UploadError::from)?;
            }
        }
        let upload = upload.ok_or(ProblemCode::NoFile)?;
        if upload.bytes() == 0 {
            return Err(ProblemCode::EmptyFile.into());
        }
        let options = parse_options(&options).map_err(UploadError::from)?;
        Ok(Received { file: upload.finish().await?, options })
    }

    async fn store_file(
        &self,
        form: &mut Multipart<GuardedBody>,
        mut upload: media_store::Upload,
        gateway: &Gateway,
        owner: UserId,
        promise: &mut Promise,
    ) -> Result<media_store::Upload, Error> {
        let mut looked_at = 0;
        while let Some(chunk) = form.chunk().await.map_err(|error| self.broken(&error))? {
            if upload.bytes() + chunk.len() as u64 > self.max_bytes {
                return Err(self.too_large().into());
            }
            promise.arrived(chunk.len())?;
            upload.write(chunk).await.map_err(UploadError::from)?;
            // A body need not say its length.
            if upload.bytes() - looked_at >= LOOK_EVERY_BYTES {
                looked_at = upload.bytes();
                upload.note_size().await.map_err(UploadError::from)?;
                gateway.quotas.check(gateway, owner, 0).await?;
            }
        }
        Ok(upload)
    }

    async fn option(
        &self,
        part: Part,
        form: &mut Multipart<GuardedBody>,
    ) -> Result<(String, String), UploadError> {
        let mut value = Vec::new();
        while let Some(chunk) = form.chunk().await.map_err(|error| self.broken(&error))? {
            value.extend_from_slice(&chunk);
            if value.len() > MAX_OPTION_BYTES {
                return Err(ProblemCode::BadOption.into());
            }
        }
        Ok((part.name, decode_legacy_text(&value)))
    }

    pub(crate) fn too_large(&self) -> UploadError {
        let limit = format!("The largest file that is taken has {} bytes.", self.max_bytes);
        UploadError::Refused(Problem::new(ProblemCode::TooLarge).with_detail(limit))
    }

    fn broken(&self, error: &MultipartError) -> UploadError {
        match error {
            MultipartError::Body(BodyFault::TooLarge) => self.too_large(),
            MultipartError::Body(BodyFault::TooSlow) => ProblemCode::RequestTimeout.into(),
            // Incomplete: the body arrived, but it is no form, or not to its end.
            MultipartError::Body(BodyFault::Broken(_)) | MultipartError::Incomplete => {
                ProblemCode::IncompleteUpload.into()
            }
            MultipartError::Malformed(reason) => {
                UploadError::Refused(Problem::new(ProblemCode::BadRequest).with_detail(*reason))
            }
        }
    }
}

fn parse_options(fields: &[(String, String)]) -> Result<ConversionOptions, InvalidOption> {
    ConversionOptions::parse(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// What can go wrong with a body before it is taken apart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the body arrives too slowly")]
    TooSlow,
    #[error("the connection broke")]
    Broken(#[source] axum::Error),
}

/// A request body that ends: it is bounded in size, in how slowly it may arrive, and in time altogether.
pub(crate) struct GuardedBody {
    body: BodyDataStream,
    left: u64,
    patience: Patience,
}

impl GuardedBody {
    /// A body of at most so many bytes.
    pub(crate) fn new(body: Body, policy: &UploadPolicy, bytes: u64) -> Self {
        let patience = Patience::new(policy.pace).until(Instant::now() + policy.timeout);
        Self { body: body.into_data_stream(), left: bytes, patience }
    }
}

impl Stream for GuardedBody {
    type Item = Result<Bytes, BodyFault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(piece) = this.body.poll_next_unpin(context) {
            let Some(piece) = piece else { return Poll::Ready(None) };
            return Poll::Ready(Some(piece.map_err(BodyFault::Broken).and_then(|piece| {
                this.left = this.left.checked_sub(piece.len() as u64).ok_or(BodyFault::TooLarge)?;
                this.patience.moved(piece.len());
                Ok(piece)
            })));
        }
        ready!(this.patience.poll_exhausted(context));
        Poll::Ready(Some(Err(BodyFault::TooSlow)))
    }
}
