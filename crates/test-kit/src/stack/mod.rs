//! What the `stack` program does: the native stack (`up`, `down`, `status`, `logs`), and servers for one command (`run`).

/// Prints a line. Who reads it may leave early, as in `make down | head`: the work goes on.
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

mod down;
mod folder;
mod ledger;
mod logs;
mod parts;
mod run;
mod secrecy;
mod status;
mod up;

pub use self::down::down;
pub use self::folder::StackFolder;
pub use self::logs::logs;
pub use self::run::run;
pub use self::status::{Address, status, url};
pub use self::up::up;
