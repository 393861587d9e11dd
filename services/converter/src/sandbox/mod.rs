//! Confines a program that reads untrusted bytes, enforced by the kernel.
//!
//! The engine does not start FFmpeg itself. It starts this program again as a launcher, which confines itself
//! and then becomes FFmpeg. This needs neither privileges nor user namespaces, so it also works in a pod with
//! the profile `restricted`.
//!
//! | layer | by | what it takes away |
//! |---|---|---|
//! | files | Landlock | every file except the libraries, the video, and the audio file to write |
//! | system calls | seccomp | the network, other processes, and every call that FFmpeg does not need |
//! | resources | rlimits | memory, processor time, large files, core dumps |
//! | lifetime | parent-death signal | running on after the converter has ended |

mod files;
mod limits;
mod system_calls;
mod trial;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

pub(crate) use self::limits::Limits;
pub use self::trial::{Finding, Layer};
pub(crate) use self::trial::{OTHER_FILE, READABLE_FILE, WRITABLE_FILE, arguments as trial_arguments};

/// The hidden subcommands. `main` handles them first, because FFmpeg's start waits for them.
const CONFINE: &str = "confine";
const TRIAL: &str = "confinement-trial";

/// A program's permissions. File names are relative to its start directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// The parent process. The program dies with it.
    pub parent: u32,
    /// Whether the program is refused if a layer cannot be set up.
    pub is_strict: bool,
    pub limits: Limits,
    pub reads: Vec<String>,
    /// The only file to write. It must exist, because the program cannot create any.
    pub writes: Option<String>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unconfined {
    #[error("its parent is gone already")]
    Orphan,
    #[error("could not bind its life to its parent's: {0}")]
    Lifetime(#[source] io::Error),
    #[error("could not limit its resources: {0}")]
    Limits(#[source] io::Error),
    #[error("could not take files away with Landlock: {0}")]
    Files(#[source] landlock::RulesetError),
    #[error("could not filter its system calls: {0}")]
    SystemCalls(#[source] seccompiler::Error),
}

/// Runs a hidden subcommand, if this is one. A program's `main` calls this first.
pub fn run_if_asked(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    match arguments.next()?.to_str()? {
        CONFINE => Some(confine(arguments)),
        TRIAL => Some(trial::run(arguments)),
        _ => None,
    }
}

/// The launcher's arguments to start `program`. The program's own arguments follow.
pub(crate) fn launcher_arguments(confinement: &Confinement, program: &OsStr) -> io::Result<[OsString; 3]> {
    Ok([CONFINE.into(), serde_json::to_string(confinement)?.into(), program.to_owned()])
}

/// The exit status of shells for a program that could not be started.
const NOT_STARTED: u8 = 126;

fn confine(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let confinement = arguments.next().and_then(|json| read(&json));
    let (Some(confinement), Some(program)) = (confinement, arguments.next()) else {
        eprintln!("this is for the converter's own use");
        return NOT_STARTED.into();
    };
    if let Err(error) = enter(&confinement, &program) {
        eprintln!("failed to confine {}: {error}", program.display());
        return NOT_STARTED.into();
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("failed to execute {}: {error}", program.display());
    NOT_STARTED.into()
}

fn read(json: &OsStr) -> Option<Confinement> {
    serde_json::from_str(json.to_str()?).ok()
}

/// Confines this process. The filter of system calls comes last, because it forbids the calls that set up the
/// other layers.
fn enter(confinement: &Confinement, program: &OsStr) -> Result<(), Unconfined> {
    let required = |layer: Result<(), Unconfined>| if confinement.is_strict { layer } else { Ok(()) };
    required(
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| Unconfined::Lifetime(e.into())),
    )?;
    // The parent may have died before the parent-death signal was set.
    let parent = getppid().map(|parent| parent.as_raw_nonzero().get().cast_unsigned());
    if parent != Some(confinement.parent) {
        return Err(Unconfined::Orphan);
    }
    required(confinement.limits.set().map_err(Unconfined::Limits))?;
    required(files::restrict(confinement, program).map_err(Unconfined::Files))?;
    required(system_calls::filter().map_err(Unconfined::SystemCalls))
}
