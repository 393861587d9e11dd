use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// What a program may use before the kernel stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub processor_seconds: u64,
    pub file_bytes: u64,
    pub memory_bytes: u64,
}

/// Addresses that cost no memory: FFmpeg's libraries take 0.3 GiB, and each of its threads reserves 72 MiB.
const ADDRESS_BYTES: u64 = 3 << 30;

/// FFmpeg opens a library after the other, then the video and the MP3.
const OPEN_FILES: u64 = 64;

/// There are no processes for it, so this bounds threads. The kernel counts all that the user has on the
/// machine, in other containers too, where the same number may be a user of many services.
const THREADS: u64 = 16_384;

impl Limits {
    /// Sets them for this process, for good.
    pub(super) fn set(self) -> io::Result<()> {
        for (resource, limit) in self.list() {
            setrlimit(resource, limit)?;
        }
        Ok(())
    }

    pub(super) fn list(self) -> [(Resource, Rlimit); 7] {
        let both = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
        // SIGXCPU first, which tells us the reason; SIGKILL for a program that ignores it.
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
            // A dump would have a person's sound in it.
            (Resource::Core, both(0)),
        ]
    }
}
