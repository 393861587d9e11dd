use crate::engine::{ConversionError, ReservationError};
use crate::lease::LeaseLost;
use crate::transfer::TransferError;

/// Why an attempt ended without an audio file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttemptError {
    #[error(transparent)]
    Convert(#[from] ConversionError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    NoRoom(#[from] ReservationError),
    #[error(transparent)]
    StoreFull(#[from] StoreFull),
    #[error("the attempt was stopped")]
    Stopped,
    #[error(transparent)]
    LeaseLost(#[from] LeaseLost),
}

/// MongoDB's disk has no room for the audio file.
#[derive(Debug, thiserror::Error)]
#[error("MongoDB's disk has {usable} bytes to use, and {needed} are needed")]
pub(crate) struct StoreFull {
    pub(crate) usable: u64,
    pub(crate) needed: u64,
}
