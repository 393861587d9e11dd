use std::time::Duration;

use anyhow::{Result, ensure};

use crate::folder::StackFolder;
use crate::ledger::Ledger;
use crate::parts::{SERVER_NAMES, SERVICE_NAMES};
use test_kit::servers::{MailCatcher, Server as _};
use test_kit::services::Service;

/// Prints a table of the parts. Returns whether all of them run and answer.
///
/// # Errors
/// The stack's folder cannot be read.
pub(crate) async fn status(folder: &StackFolder) -> Result<bool> {
    let ledger = Ledger::open(folder)?;
    say!("{:<13} {:<13} {:>8} {:>9}  ADDRESS", "PART", "STATE", "PID", "RUNNING");
    let mut is_complete = true;
    for part in SERVER_NAMES.into_iter().chain(SERVICE_NAMES) {
        let state = State::of(part, &ledger).await;
        let (pid, age) = ledger.running(part).map_or_else(Default::default, |entry| {
            (entry.identity.pid.to_string(), duration_text(entry.age_seconds()))
        });
        let address = if state.runs() { address(part, &ledger) } else { String::new() };
        say!("{part:<13} {:<13} {pid:>8} {age:>9}  {address}", state.text());
        is_complete &= state == State::Ready;
    }
    Ok(is_complete)
}

/// An address of the running stack, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// The API and the browser UI.
    App,
    /// The mail catcher's inbox.
    Inbox,
}

/// The URL of an address, without a slash at the end.
///
/// # Errors
/// The part with this address does not run.
pub(crate) fn url(folder: &StackFolder, which: Address) -> Result<String> {
    let ledger = Ledger::open(folder)?;
    let part = match which {
        Address::App => Service::Gateway.name(),
        Address::Inbox => MailCatcher::NAME,
    };
    ensure!(ledger.running(part).is_some(), "{part} is not running: run `make up`");
    Ok(address(part, &ledger))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// It runs, but reports that it is not ready, or does not answer.
    NotReady,
    Crashed,
    Stopped,
}

impl State {
    async fn of(part: &str, ledger: &Ledger) -> Self {
        if ledger.running(part).is_some() {
            if answers(part, ledger).await { Self::Ready } else { Self::NotReady }
        } else if ledger.expects(part) {
            Self::Crashed
        } else {
            Self::Stopped
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
        }
    }

    fn runs(self) -> bool {
        matches!(self, Self::Ready | Self::NotReady)
    }
}

const ANSWER_DEADLINE: Duration = Duration::from_secs(3);

/// A service must report that it is ready. For a server, an open port is enough.
async fn answers(name: &str, ledger: &Ledger) -> bool {
    if SERVICE_NAMES.contains(&name) {
        let Some(port) = ledger.remembered_port(&format!("{name}_admin")) else { return false };
        let request =
            reqwest::Client::new().get(format!("http://127.0.0.1:{port}/readyz")).timeout(ANSWER_DEADLINE);
        return request.send().await.is_ok_and(|answer| answer.status().is_success());
    }
    let Some(port) = ledger.remembered_port(server_port(name)) else { return false };
    let connection = tokio::net::TcpStream::connect(("127.0.0.1", port));
    matches!(tokio::time::timeout(ANSWER_DEADLINE, connection).await, Ok(Ok(_)))
}

/// The name of a server's first port in the ledger.
fn server_port(server: &str) -> &str {
    if server == MailCatcher::NAME { "smtp" } else { server }
}

/// The address for people or their tools.
fn address(name: &str, ledger: &Ledger) -> String {
    let port = |name: &str| ledger.remembered_port(name).unwrap_or_default();
    if name == MailCatcher::NAME {
        format!("http://127.0.0.1:{}", port("inbox"))
    } else if name == Service::Gateway.name() {
        format!("http://localhost:{}", port("gateway"))
    } else if SERVER_NAMES.contains(&name) {
        format!("127.0.0.1:{}", port(name))
    } else {
        format!("http://127.0.0.1:{} (admin)", port(&format!("{name}_admin")))
    }
}

fn duration_text(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
