//! Accepting an upload: its body, its user's quotas, and the job that it becomes.

mod acceptance;
mod file_name;
mod guarded_body;
mod intake_state;
mod multipart;
mod policy;
mod quotas;
mod receive;
mod resumable;
mod storage;

pub(crate) use file_name::display_name;
pub(crate) use intake_state::Intake;
pub(crate) use policy::UploadConfig;
pub(crate) use quotas::{QuotaConfig, QuotaReport, Quotas};
pub(crate) use receive::UploadRequest;
pub(crate) use resumable::{About, COMPLETION_TIMEOUT, Checksum, Standing};
pub(crate) use storage::{Storage, StorageConfig};
