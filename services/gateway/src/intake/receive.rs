//! Receiving an upload: a multipart body of any size, from a client of any speed, into GridFS.

use axum::extract::Request;
use axum::http::header;
use contracts::{ConversionOptions, InvalidOption, ProblemCode, UserId, decode_legacy_text};
use headers::{ContentLength, HeaderMapExt as _};
use media_store::StoredFile;
use service_kit::Problem;

use super::file_name::display_name;
use super::guarded_body::{BodyFault, GuardedBody};
use super::intake_state::Intake;
use super::multipart::{Boundary, Multipart, MultipartError, Part};
use super::policy::UploadConfig;
use super::storage::Promise;
use crate::error::Error;

/// A received upload.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) file: StoredFile,
    pub(super) options: ConversionOptions,
}

fn invalid_option(error: &InvalidOption) -> Problem {
    let code = match error {
        InvalidOption::Unknown(_) => ProblemCode::UnknownOption,
        InvalidOption::Value { .. } | InvalidOption::Twice(_) | InvalidOption::Conflict(_) => {
            ProblemCode::BadOption
        }
    };
    Problem::new(code).with_detail(error.to_string())
}

/// Room for what surrounds a file in a multipart body: boundaries, part headers and option fields.
const ENVELOPE_BYTES: u64 = 64 << 10;

/// How often an upload in progress is checked against the quotas.
const LOOK_EVERY_BYTES: u64 = 64 << 20;

const MAX_OPTIONS: usize = 32;
const MAX_OPTION_BYTES: usize = 1 << 10;

/// The name and type of a file, and its conversion options.
#[derive(Debug)]
pub(crate) struct UploadRequest {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) options: ConversionOptions,
}

impl UploadRequest {
    pub(crate) fn new(
        name: String,
        content_type: Option<&str>,
        options: &[(String, String)],
    ) -> Result<Self, Problem> {
        if options.len() > MAX_OPTIONS || options.iter().any(|(_, value)| value.len() > MAX_OPTION_BYTES) {
            return Err(ProblemCode::BadOption.into());
        }
        let content_type = content_type.filter(|kind| kind.len() <= MAX_OPTION_BYTES);
        let content_type = content_type.unwrap_or(UNKNOWN_TYPE).to_owned();
        Ok(Self { name, content_type, options: parse_options(options)? })
    }
}

/// The media type of a file if the client names none.
const UNKNOWN_TYPE: &str = "application/octet-stream";

impl Intake {
    /// Stores the one file of a multipart request and reads the options beside it. On every error, and when
    /// the client disconnects, nothing stays stored.
    pub(super) async fn receive(
        &self,
        request: Request,
        owner: UserId,
        mut promise: Promise,
    ) -> Result<Received, Error> {
        let announced = request.headers().typed_get::<ContentLength>();
        if announced.is_some_and(|ContentLength(bytes)| bytes > self.policy.max_bytes() + ENVELOPE_BYTES) {
            return Err(self.policy.too_large().into());
        }
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let boundary = content_type.and_then(|value| Boundary::of(value.as_bytes()));
        let boundary = boundary.ok_or(ProblemCode::UnsupportedMediaType)?;
        let body =
            GuardedBody::new(request.into_body(), &self.policy, self.policy.max_bytes() + ENVELOPE_BYTES);
        let mut form = Multipart::new(body, &boundary);

        let mut options = Vec::new();
        let mut upload = None;
        while let Some(part) = form.next_part().await.map_err(|error| broken(&self.policy, &error))? {
            if let Some(name) = &part.file_name {
                if upload.is_some() {
                    return Err(ProblemCode::SeveralFiles.into());
                }
                let content_type = part.content_type.as_deref().unwrap_or(UNKNOWN_TYPE);
                let (owner_name, name) = (jobs::pseudonym(owner), display_name(name));
                let bytes = announced.map_or(0, |ContentLength(bytes)| bytes);
                let file = self.videos.begin_for(&owner_name, bytes, &name, content_type).await;
                let file = file.map_err(Error::Upload)?;
                // After the marker is written: of several uploads at once, each sees the others.
                self.quotas.check(owner, 0).await?;
                upload = Some(self.store_file(&mut form, file, owner, &mut promise).await?);
            } else {
                options.push(self.option(part, &mut form).await?);
                if options.len() > MAX_OPTIONS {
                    return Err(ProblemCode::BadOption.into());
                }
                // Checked at once, so that a wrong option before the file saves the transfer.
                parse_options(&options)?;
            }
        }
        let upload = upload.ok_or(ProblemCode::NoFile)?;
        if upload.bytes() == 0 {
            return Err(ProblemCode::EmptyFile.into());
        }
        let options = parse_options(&options)?;
        Ok(Received { file: upload.finish().await?, options })
    }

    async fn store_file(
        &self,
        form: &mut Multipart<GuardedBody>,
        mut upload: media_store::Upload,
        owner: UserId,
        promise: &mut Promise,
    ) -> Result<media_store::Upload, Error> {
        let mut looked_at = 0;
        while let Some(chunk) = form.chunk().await.map_err(|error| broken(&self.policy, &error))? {
            if upload.bytes() + chunk.len() as u64 > self.policy.max_bytes() {
                return Err(self.policy.too_large().into());
            }
            promise.arrived(chunk.len())?;
            upload.write(chunk).await.map_err(Error::Upload)?;
            // A body need not announce its length, so the quotas are checked on the way.
            if upload.bytes() - looked_at >= LOOK_EVERY_BYTES {
                looked_at = upload.bytes();
                upload.note_size().await.map_err(Error::Upload)?;
                self.quotas.check(owner, 0).await?;
            }
        }
        Ok(upload)
    }

    async fn option(&self, part: Part, form: &mut Multipart<GuardedBody>) -> Result<(String, String), Error> {
        let mut value = Vec::new();
        while let Some(chunk) = form.chunk().await.map_err(|error| broken(&self.policy, &error))? {
            value.extend_from_slice(&chunk);
            if value.len() > MAX_OPTION_BYTES {
                return Err(ProblemCode::BadOption.into());
            }
        }
        Ok((part.name, decode_legacy_text(&value)))
    }
}

fn parse_options(fields: &[(String, String)]) -> Result<ConversionOptions, Problem> {
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    ConversionOptions::parse(fields).map_err(|error| invalid_option(&error))
}

/// The problem of a form that cannot be read.
fn broken(policy: &UploadConfig, error: &MultipartError) -> Problem {
    match error {
        MultipartError::Body(BodyFault::TooLarge) => policy.too_large(),
        MultipartError::Body(BodyFault::TooSlow) => ProblemCode::RequestTimeout.into(),
        // Incomplete: the body arrived, but it is not a form, or not a form to its end.
        MultipartError::Body(BodyFault::Broken(_)) | MultipartError::Incomplete => {
            ProblemCode::IncompleteUpload.into()
        }
        MultipartError::Malformed(reason) => Problem::new(ProblemCode::BadRequest).with_detail(*reason),
    }
}
