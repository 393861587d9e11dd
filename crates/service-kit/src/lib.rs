//! What every service does identically: settings from the environment, telemetry, shutdown, the admin port,
//! the HTTP accept loop and problem bodies.
//!
//! A service's `main` parses its [`Command`] with [`config::parse`] and gives it the service's own work,
//! which gets a [`Process`]: the admin port and the shutdown.

mod admin;
pub mod audit;
mod client_stream;
mod command;
pub mod config;
mod connections;
mod extract;
mod framing;
mod health;
pub mod http;
mod idle_budget;
mod linger;
mod networks;
mod periodic;
mod problem;
mod process;
mod shutdown;
mod telemetry;

pub use admin::Readiness;
pub use command::{Command, Settings};
pub use config::{LogFormat, ProcessConfig};
pub use connections::ConnectionLimits;
pub use contracts::Chain;
pub use extract::{Id, JsonBody, OptionalJsonBody, QueryOf};
pub use health::Healthcheck;
pub use idle_budget::{IdleBudget, Pace};
pub use networks::{Networks, subscriber};
pub use periodic::every;
pub use problem::{FieldError, Problem};
pub use process::Process;
pub use shutdown::Shutdown;
