//! What the services agree on: identifiers, messages, token claims, the job as its owner sees it, signed
//! links, problem codes and security events. Plain data and pure functions, no I/O.

mod account;
mod account_mail;
mod api_key;
mod audit;
mod chain;
mod claims;
mod email;
mod failure;
mod file_name;
mod ids;
mod job;
mod legacy_text;
mod link;
mod message;
mod options;
mod problem;
mod secret;
mod session;

pub use account::{
    AccountChange, AccountPage, AccountSummary, AddressChange, AddressRequest, ErasureRequest, Erasures,
    MailPreferences, MailPreferencesChange, Me, MeChange, MovedAccount, PasswordChange, ResetRequest,
    Revocations, Role, UnknownName, VerifyRequest,
};
pub use account_mail::{AccountMail, AccountMailContent};
pub use api_key::{ApiKey, ApiKeyHash, ApiKeys, CreatedApiKey, KeyCheck, KeyHolder, NewApiKey, Scope};
pub use audit::{Audit, AuditLine};
pub use chain::Chain;
pub use claims::{ACCESS_TOKEN_TYPE, AUDIENCE, AccessClaims, ISSUER, Jwk, JwkSet};
pub use email::{EmailAddress, InvalidEmailAddress};
pub use failure::{Failure, FailureCode};
pub use file_name::{MAX_FILE_NAME_BYTES, file_name_of, is_hidden, is_joiner};
pub use ids::{ApiKeyId, FileId, InvalidId, JobId, MailId, Mp3Fid, SessionId, UserId, VideoFid};
pub use job::{
    Audio, AudioTrack, Job, JobStatus, Loudness, Notice, NoticeState, Outcome, Owner, Phase, Progress,
    Source, SourceFacts,
};
pub use legacy_text::decode_legacy_text;
pub use link::{ArchiveLink, InvalidLink, LinkKey, SignedLink};
pub use message::{ConversionFinished, ConversionRequested, MESSAGE_VERSION, Queue};
pub use options::{
    AllTracks, AudioFormat, Bitrate, Channels, ConversionOptions, Cover, CoverSource, Encoder, InvalidOption,
    LanguageTag, LoudnessTarget, Metadata, Mp3Rate, Position, Quality, SampleRate, TagText, TrackChoice,
    UPLOAD_OPTIONS, UploadOption,
};
pub use problem::ProblemCode;
pub use secret::Secret;
pub use session::{
    IssuedTokens, LoginRequest, OidcFinish, OidcStart, OidcStarted, Provider, Providers, RefreshRequest,
    Session, Sessions,
};
