//! Tells Cargo what `sqlx::migrate!` reads: without it, a new migration would not be built in.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
