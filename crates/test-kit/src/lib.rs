//! Shared code of the tests: real servers and services as processes, and tools to inspect them.
//!
//! Services depend on it only in their tests. Two tools use it too: `stack` starts the same servers for
//! people, and `bench` measures them. `stack run -- COMMAND` puts the addresses of the [`shared()`] servers
//! into the environment. Tests keep apart with [`unique_name`] and wait with [`wait_until`]. A test that
//! breaks a server starts its own: [`servers::Running`].
//!
//! [`sound`] compares the converter's output with its source. [`sources`] and [`edits`] make its input.

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
