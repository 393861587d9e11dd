//! Real servers for the tests, and the native stack that runs the whole system on one machine.
//!
//! Development only: no service depends on it outside its tests. Tests find the [`shared()`] servers in the environment that
//! `stack run -- COMMAND` gives them, keep apart by [`unique_name`], and wait with [`wait_until`]. A test
//! that breaks a server starts its own: [`servers::Running`].
//!
//! [`sound`] compares what the converter makes with its source, [`sources`] and [`edits`] are what it is tried with.

pub mod edits;
pub mod gate;
pub mod gridfs;
pub mod inbox;
pub mod media;
pub mod mixdown;
pub mod ports;
pub mod process;
pub mod project;
mod random;
pub mod seeded;
pub mod servers;
pub mod services;
mod shared;
pub mod smtp_fault;
pub mod sound;
pub mod sources;
pub mod stack;
mod wait;

pub use self::shared::{SharedServers, shared, unique_name};
pub use self::wait::{Condition, wait_until};
