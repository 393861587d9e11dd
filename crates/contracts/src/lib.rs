//! What the services agree on: identifiers, messages, token claims, the job as people see it,
//! signed links and problem codes. Plain data and pure functions, no I/O.

mod claims;
mod email;
mod ids;
mod job;
mod link;
mod message;
mod options;
mod problem;

pub use claims::{ACCESS_TOKEN_TYPE, AUDIENCE, AccessClaims, ISSUER, Jwk, JwkSet};
pub use email::{EmailAddress, InvalidEmailAddress};
pub use ids::{FileId, InvalidId, JobId, Mp3Fid, UserId, VideoFid};
pub use job::{
    Audio, AudioTrack, Failure, FailureCode, Job, JobStatus, Loudness, Notice, NoticeState, Outcome, Owner,
    Phase, Progress, Source,
};
pub use link::{ArchiveLink, InvalidLink, LinkKey, SignedLink};
pub use message::{ConversionFinished, ConversionRequested, MESSAGE_VERSION, Queue};
pub use options::{
    AudioFormat, Bitrate, Channels, ConversionOptions, Cover, CoverSource, Encoder, InvalidOption,
    LoudnessTarget, Metadata, Mp3Rate, Position, Quality, SampleRate, TagText, TrackChoice,
};
pub use problem::ProblemCode;
