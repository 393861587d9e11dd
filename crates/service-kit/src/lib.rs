//! What every service does identically: settings from the environment, telemetry, shutdown, the admin port,
//! the HTTP accept loop and problem bodies.
//!
//! A service's `main` parses its settings with [`config::parse`] and hands a future to [`launch`]; everything
//! that the future needs of the process comes as a [`Process`].

mod admin;
mod chain;
pub mod config;
mod health;
pub mod http;
mod problem;
mod process;
mod shutdown;
mod telemetry;

pub use admin::Readiness;
pub use chain::Chain;
pub use config::{LogFormat, ProcessConfig};
pub use health::{Healthcheck, healthcheck};
pub use problem::Problem;
pub use process::{Process, launch};
pub use shutdown::Shutdown;
