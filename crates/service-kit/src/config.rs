//! Settings: from the environment or the command line, and for every setting `NAME` also from the file that
//! `NAME_FILE` names, which is how secrets are mounted.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings that every service has.
#[derive(Debug, Clone, Args)]
pub struct ProcessConfig {
    /// Address of the admin port (`/livez`, `/readyz`, `/metrics`); never expose it publicly
    #[arg(long, env = "ADMIN_LISTEN", default_value = "127.0.0.1:9090")]
    pub admin_listen: SocketAddr,

    /// How log lines are written
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,

    /// Which log lines are written (`tracing-subscriber` directives)
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_filter: String,

    /// Base address of an `OpenTelemetry` collector (OTLP over HTTP) to send traces to; none by default
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    /// How long work may go on after SIGTERM before it is aborted
    #[arg(long, env = "DRAIN_TIMEOUT", default_value = "30s", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
}

/// Reads the settings of this process, and exits with a message if they are wrong.
///
/// `serve` is the subcommand where none is given.
#[must_use]
pub fn parse<C: Parser>() -> C {
    let arguments = std::env::args_os().collect();
    let arguments = with_secret_files(&C::command(), arguments, |name| std::env::var_os(name));
    match arguments.map(C::try_parse_from) {
        Ok(Ok(config)) => config,
        Ok(Err(error)) => error.exit(),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(2);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("could not read the file that {variable} names ({path}): {error}")]
struct UnreadableSecret {
    variable: String,
    path: String,
    error: std::io::Error,
}

/// Adds `--setting=<content>` for every setting of the chosen subcommand whose `NAME_FILE` is set and `NAME`
/// is not.
///
/// The arguments stay inside the process: no other process can read them.
fn with_secret_files(
    command: &clap::Command,
    mut arguments: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<OsString>, UnreadableSecret> {
    let asks_for_the_program = |argument: &OsString| {
        argument == "--help" || argument == "-h" || argument == "--version" || argument == "-V"
    };
    let names_a_subcommand = |argument: &OsString| !argument.to_string_lossy().starts_with('-');
    if !arguments.get(1).is_some_and(|first| names_a_subcommand(first) || asks_for_the_program(first)) {
        arguments.insert(1.min(arguments.len()), "serve".into());
    }
    let chosen = arguments.get(1).and_then(|name| command.find_subcommand(name));
    let settings = chosen.into_iter().flat_map(clap::Command::get_arguments);
    for (name, long) in
        settings.filter_map(|setting| Some((setting.get_env()?.to_str()?, setting.get_long()?)))
    {
        let file_variable = format!("{name}_FILE");
        let Some(path) = variable(&file_variable).filter(|_| variable(name).is_none()) else { continue };
        let content = std::fs::read_to_string(&path).map_err(|error| UnreadableSecret {
            variable: file_variable,
            path: path.to_string_lossy().into_owned(),
            error,
        })?;
        // Editors and `echo` end files with a newline that is not part of the secret.
        arguments.push(format!("--{long}={}", content.trim_end_matches(['\r', '\n'])).into());
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Subcommand};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, Subcommand)]
    enum Command {
        Serve {
            #[arg(long, env = "KIT_TEST_SECRET")]
            secret: String,
        },
        Healthcheck,
    }

    fn parse(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let arguments = arguments.iter().map(OsString::from).collect();
        let arguments =
            with_secret_files(&Cli::command(), arguments, variable).map_err(|error| error.to_string())?;
        Cli::try_parse_from(arguments).map(|cli| cli.command).map_err(|error| error.to_string())
    }

    #[test]
    fn a_setting_is_read_from_the_file_that_its_variable_names() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let variables = [("KIT_TEST_SECRET_FILE", file.path().to_str().unwrap())];
        let command = parse(&["kit"], &variables).unwrap();
        assert!(matches!(command, Command::Serve { secret } if secret == "s3cret"));
        assert!(matches!(parse(&["kit", "healthcheck"], &variables), Ok(Command::Healthcheck)));
    }

    #[test]
    fn a_missing_secret_file_is_named() {
        let error = parse(&["kit"], &[("KIT_TEST_SECRET_FILE", "/nowhere/secret")]).unwrap_err();
        assert!(error.contains("KIT_TEST_SECRET_FILE") && error.contains("/nowhere/secret"), "{error}");
    }
}
