//! Accepting an upload: its body, what its user may take up, and the job that it becomes.

pub(crate) mod file_name;
pub(crate) mod multipart;
pub(crate) mod quotas;
pub(crate) mod receive;
pub(crate) mod resumable;
pub(crate) mod storage;
pub(crate) mod turns;
