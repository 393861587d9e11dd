use std::time::Duration;

use uuid::Uuid;

/// The right to change something, until it expires or is revoked.
///
/// Every claim draws a new token, which each later change names: a holder that was given up changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease<Of> {
    pub(crate) of: Of,
    pub(crate) token: String,
    pub(crate) lasts: Duration,
}

impl<Of> Lease<Of> {
    pub(crate) fn new(of: Of, lasts: Duration) -> Self {
        Self { of, token: Uuid::new_v4().to_string(), lasts }
    }
}
