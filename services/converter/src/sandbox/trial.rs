//! A program that tries what a confined program must not be able to do.
//!
//! It is started like FFmpeg, and tests the kernel's real behaviour: a layer that was set up without an error
//! may still not hold.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{
    Resource, Signal, getpgrp, getpid, getppid, getrlimit, parent_process_death_signal, setsid,
    test_kill_process,
};
use serde::{Deserialize, Serialize};

use super::{Confinement, Limits, TRIAL, read};

/// The file in its start directory that it may read.
pub(crate) const READABLE_FILE: &str = "readable";
pub(crate) const WRITABLE_FILE: &str = "writable";
/// A file that the user may read but the program may not.
pub(crate) const OTHER_FILE: &str = "other";

/// A layer of the confinement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layer {
    /// No access to other files (Landlock).
    Files,
    /// No network and no other processes (seccomp).
    SystemCalls,
    /// Limited memory, processor time and files (rlimits).
    Resources,
    /// The program dies with its parent.
    Lifetime,
}

/// The result of a layer's test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The layer.
    pub layer: Layer,
    /// The forbidden action that was possible. `None`: the layer holds.
    pub hole: Option<String>,
}

impl Layer {
    /// The layer's name for the operator.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files (Landlock)",
            Self::SystemCalls => "system calls (seccomp)",
            Self::Resources => "resources (rlimits)",
            Self::Lifetime => "lifetime (parent-death signal)",
        }
    }

    /// What the layer needs from the kernel.
    #[must_use]
    pub fn needs(self) -> &'static str {
        match self {
            Self::Files => {
                "Linux 5.13 or newer with `landlock` among the security modules that it boots with (`lsm=`)"
            }
            Self::SystemCalls => {
                "a kernel with seccomp filters, and a container runtime that lets programs set them"
            }
            Self::Resources => "a kernel that lets programs lower their own limits",
            Self::Lifetime => "Linux, and a launcher that is the converter's own child",
        }
    }
}

/// The arguments to start the trial. `confinement` is the one that it is started in.
pub(crate) fn arguments(confinement: &Confinement) -> io::Result<[OsString; 2]> {
    Ok([TRIAL.into(), serde_json::to_string(confinement)?.into()])
}

/// Prints the results as a JSON list.
pub(super) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(confinement) = arguments.next().and_then(|json| read(&json)) else { return ExitCode::FAILURE };
    let findings = [
        (Layer::Files, files()),
        (Layer::SystemCalls, system_calls()),
        (Layer::Resources, resources(confinement.limits)),
        (Layer::Lifetime, lifetime()),
    ];
    let findings = findings.map(|(layer, held)| Finding { layer, hole: held.err() });
    match serde_json::to_writer(io::stdout(), &findings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn files() -> Result<(), String> {
    let refused = |what: &str, tried: io::Result<()>| match tried {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
        Ok(()) => Err(format!("{what} is possible")),
    };
    let needed = |what: &str, tried: io::Result<()>| tried.map_err(|error| format!("{what}: {error}"));
    let write = |name: &str| File::options().write(true).truncate(true).open(name).map(drop);
    needed("reading the video", File::open(READABLE_FILE).map(drop))?;
    needed("writing the MP3", write(WRITABLE_FILE))?;
    refused("reading another file", File::open(OTHER_FILE).map(drop))?;
    refused("reading what is known of processes", File::open("/proc/self/status").map(drop))?;
    refused("listing a directory", fs::read_dir(".").map(drop))?;
    refused("overwriting the video", write(READABLE_FILE))?;
    refused("making a file", File::create("new").map(drop))
}

fn system_calls() -> Result<(), String> {
    let refused = |what: &str, tried: io::Result<()>| match tried {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
        Ok(()) => Err(format!("{what} is possible")),
    };
    let any = (Ipv4Addr::LOCALHOST, 0);
    refused("listening", TcpListener::bind(any).map(drop))?;
    refused("sending", UdpSocket::bind(any).map(drop))?;
    refused("talking to programs", UnixDatagram::unbound().map(drop))?;
    refused("making a pair of sockets", UnixStream::pair().map(drop))?;
    refused("starting a program", start_a_program())?;
    refused("leaving the process group", setsid().map(drop).map_err(Into::into))?;
    // `F_SETOWN` has no safe Rust function. This command is the nearest one, and the same list decides about
    // both.
    refused("a command of fcntl that is not on the list", seals())?;
    let parent = getppid().ok_or("there is no parent")?;
    refused("sending signals", test_kill_process(parent).map_err(Into::into))
}

fn seals() -> io::Result<()> {
    Ok(rustix::fs::fcntl_get_seals(io::stdin()).map(drop)?)
}

fn start_a_program() -> io::Result<()> {
    Command::new("/proc/self/exe").arg("--version").stdout(Stdio::piped()).spawn()?.wait().map(drop)
}

fn resources(limits: Limits) -> Result<(), String> {
    for (resource, limit) in limits.list() {
        if getrlimit(resource) != limit {
            return Err(format!("{resource:?} is not limited"));
        }
    }
    let too_much = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX / 2);
    if Vec::<u8>::new().try_reserve_exact(too_much).is_ok() {
        return Err("taking more memory is possible".to_owned());
    }
    let mut files = Vec::new();
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(1024);
    for _ in 0..=allowed {
        match io::stdin().as_fd().try_clone_to_owned() {
            Ok(file) => files.push(file),
            Err(_) => return Ok(()),
        }
    }
    Err("opening more files is possible".to_owned())
}

fn lifetime() -> Result<(), String> {
    match parent_process_death_signal() {
        Ok(Some(Signal::KILL)) if getpgrp() == getpid() => Ok(()),
        Ok(Some(Signal::KILL)) => Err("it is in another's process group".to_owned()),
        Ok(_) => Err("it would outlive its parent".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
