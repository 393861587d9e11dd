//! Access tokens, random tokens, the signing keys and their encryption at rest.

pub(crate) mod access_token;
pub(crate) mod keyring;
pub(crate) mod opaque;
pub(crate) mod sealing;
