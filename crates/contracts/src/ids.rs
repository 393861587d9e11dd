use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The text is not an identifier of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed identifier")]
pub struct InvalidId;

/// Identifies a job: a `UUIDv7`, so that identifiers sort by time of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, format = Uuid)]
pub struct JobId(Uuid);

impl JobId {
    /// A new identifier, later in order than every one made before on this machine.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

/// Identifies an account, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, format = Uuid)]
pub struct UserId(Uuid);

/// Identifies a session: all tokens that follow from one sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, format = Uuid)]
pub struct SessionId(Uuid);

/// Identifies an API key; it is not the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, format = Uuid)]
pub struct ApiKeyId(Uuid);

/// Identifies one mail about an account, however often its message is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MailId(Uuid);

impl MailId {
    /// The job that the mail tells of, if it is [the one](Self::from) that tells that a job was accepted.
    #[must_use]
    pub fn of_job(self) -> JobId {
        JobId(self.0)
    }
}

impl From<JobId> for MailId {
    /// The one mail that tells that a job was accepted.
    fn from(job: JobId) -> Self {
        Self(job.0)
    }
}

macro_rules! database_ids {
    ($($id:ident),+) => {$(
        impl $id {
            /// A new identifier.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier as the bytes that a database column holds.
            #[must_use]
            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $id {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    )+};
}

database_ids!(UserId, SessionId, ApiKeyId, MailId);

/// Identifies a file in `GridFS`: the 12 bytes of a `MongoDB` `ObjectId`, written as 24 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{24}$", example = "665f1c2ab8e4a70012345678")]
pub struct FileId([u8; 12]);

impl FileId {
    /// The identifier with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The bytes of the identifier.
    #[must_use]
    pub const fn bytes(self) -> [u8; 12] {
        self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for FileId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // `from_str_radix` alone would let a sign through.
        if text.len() != 24 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidId);
        }
        let mut bytes = [0; 12];
        for (byte, at) in bytes.iter_mut().zip((0..24).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| InvalidId)?;
        }
        Ok(Self(bytes))
    }
}

/// An uploaded video in database `videos`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct VideoFid(pub FileId);

/// A finished MP3 in database `mp3s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Mp3Fid(pub FileId);

macro_rules! text_form {
    ($($id:ident($inner:ty)),+) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $id {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse::<$inner>().map(Self).map_err(|_| InvalidId)
            }
        }
    )+};
}

macro_rules! string_conversions {
    ($($id:ident),+) => {$(
        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $id {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
    )+};
}

text_form!(
    JobId(Uuid),
    UserId(Uuid),
    SessionId(Uuid),
    ApiKeyId(Uuid),
    MailId(Uuid),
    VideoFid(FileId),
    Mp3Fid(FileId)
);
string_conversions!(JobId, UserId, SessionId, ApiKeyId, MailId, FileId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_ids_are_24_hex_digits_and_nothing_else() {
        let id: FileId = "665f1c2ab8e4a70012345678".parse().unwrap();
        assert_eq!(id.to_string(), "665f1c2ab8e4a70012345678");
        for wrong in
            ["", "665f", "665f1c2ab8e4a7001234567g", "+65f1c2ab8e4a70012345678", "é65f1c2ab8e4a7001234567"]
        {
            assert_eq!(wrong.parse::<FileId>(), Err(InvalidId), "{wrong:?}");
        }
    }

    #[test]
    fn job_ids_sort_by_creation() {
        let made: Vec<JobId> = (0..100).map(|_| JobId::generate()).collect();
        assert!(made.is_sorted());
    }
}
