//! Notification against a real broker, database and mail server.

mod delivery;
mod faults;
mod stage;
