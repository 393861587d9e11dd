use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::process::launch;
use crate::{Healthcheck, Process, ProcessConfig};

/// The subcommands that every service has; `serve` is the one where none is given.
#[derive(Debug, Subcommand)]
pub enum Command<C: Args> {
    /// Serve until told to stop (the default)
    Serve(Box<Settings<C>>),
    /// Ask the running service whether it is ready
    Healthcheck(Healthcheck),
}

/// All settings of a service.
#[derive(Debug, Args)]
pub struct Settings<C: Args> {
    #[command(flatten)]
    process: ProcessConfig,

    #[command(flatten)]
    service: C,
}

impl<C: Args> Command<C> {
    /// Runs the subcommand to its end. `serve` is the service's own work.
    pub fn run<F>(self, name: &'static str, serve: impl FnOnce(C, Process) -> F) -> ExitCode
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        match self {
            Self::Serve(settings) => {
                let Settings { process, service } = *settings;
                launch(name, &process, |process| serve(service, process))
            }
            Self::Healthcheck(healthcheck) => healthcheck.run(),
        }
    }
}
