//! What the `stack` program does: the native stack (`up`, `down`, `status`, `logs`), and servers for one command (`run`).

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
