//! Helpers of the tests: real servers and services as processes of this machine, and what tests look at them
//! with.
//!
//! No service depends on it outside its tests. The tools do: `stack` starts the same servers for people, and
//! `bench` measures them. Tests find the [`shared()`] servers in the environment that
//! `stack run -- COMMAND` gives them, keep apart by [`unique_name`], and wait with [`wait_until`]. A test
//! that breaks a server starts its own: [`servers::Running`].
//!
//! [`sound`] compares what the converter makes with its source, [`sources`] and [`edits`] are what it is
//! tried with.

pub mod edits;
pub mod gridfs;
pub mod inbox;
pub mod media;
pub mod mixdown;
pub mod ports;
pub mod process;
pub mod project;
pub mod provider;
pub mod proxy;
pub mod random;
pub mod seeded;
pub mod servers;
pub mod services;
mod shared;
pub mod smtp_fault;
pub mod sound;
pub mod sources;
mod wait;

pub use self::shared::{SharedServers, shared, unique_name};
pub use self::wait::{Condition, wait_until};
