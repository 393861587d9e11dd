//! Passwords: which are accepted, what is kept of them, and how many are hashed at a time.

pub(crate) mod hashing;
pub(crate) mod password;
pub(crate) mod password_hash;
pub(crate) mod turns;
