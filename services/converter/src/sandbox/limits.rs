use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// A program's resource limits, which the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub processor_seconds: u64,
    pub file_bytes: u64,
    pub memory_bytes: u64,
}

/// Reserved addresses that use no memory: FFmpeg's libraries take 0.3 GiB, and each of its threads reserves
/// 72 MiB.
const ADDRESS_BYTES: u64 = 3 << 30;

/// FFmpeg opens one library after another, then the video and the audio file.
const OPEN_FILES: u64 = 64;

/// The program cannot start processes, so this limits threads. The kernel counts all threads of the user on
/// the machine. Other containers count too, where the same user id may run many services.
const THREADS: u64 = 16_384;

impl Limits {
    /// Sets the limits for this process, permanently.
    pub(super) fn set(self) -> io::Result<()> {
        for (resource, limit) in self.list() {
            setrlimit(resource, limit)?;
        }
        Ok(())
    }

    pub(super) fn list(self) -> [(Resource, Rlimit); 7] {
        let both = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
        // SIGXCPU comes first and tells us the reason. SIGKILL ends a program that ignores it.
        let processor = Rlimit {
            current: Some(self.processor_seconds),
            maximum: Some(self.processor_seconds.saturating_add(10)),
        };
        [
            (Resource::Cpu, processor),
            (Resource::Fsize, both(self.file_bytes)),
            (Resource::Data, both(self.memory_bytes)),
            (Resource::As, both(self.memory_bytes.saturating_add(ADDRESS_BYTES))),
            (Resource::Nofile, both(OPEN_FILES)),
            (Resource::Nproc, both(THREADS)),
            // A core dump would contain a user's audio.
            (Resource::Core, both(0)),
        ]
    }
}
