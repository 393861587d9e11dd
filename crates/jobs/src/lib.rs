//! The only code that reads or writes job documents: the job's state machine, as conditional updates. It also
//! records which mails about accounts were sent.
//!
//! A job is one document of collection `jobs`. Each change is one update whose filter holds everything that
//! must still be true: the status, and for a converter's changes the token of its lease. A late change has no
//! effect and reports so. Messages may be delivered twice, and workers may die at any point.
//!
//! Leases and due times use the database server's clock (`$$NOW`): the hosts' clocks may differ.

mod account_mails;
mod changes;
mod conversion;
mod document;
mod erasures;
mod lease;
mod notices;
mod ownership;
mod reconcile;
mod search;
mod store;
mod turns;
mod usage;

pub use account_mails::{AccountMailStore, MailClaim, MailLease};
pub use changes::Change;
pub use conversion::{Claim, ConversionLease};
pub use erasures::{Accepted, pseudonym};
pub use lease::Lease;
pub use notices::{NoticeClaim, NoticeLease};
pub use ownership::{Deleted, Retried};
pub use reconcile::{Expired, Overdue};
pub use search::Search;
pub use store::{JobStore, JobsError, NewJob, Record};
pub use turns::{TurnError, Turns};
pub use usage::Usage;
