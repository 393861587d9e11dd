use std::ffi::OsStr;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use super::Confinement;

/// The system's library folders; missing ones are skipped. Programs are elsewhere.
const LIBRARIES: [&str; 6] = ["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"];

/// The dynamic linker's index of libraries.
const LIBRARY_INDEX: &str = "/etc/ld.so.cache";

/// The newest Landlock version that this program knows. An older kernel enforces the part that it supports.
const NEWEST: ABI = ABI::V9;

/// Takes every file from this process except those that the program needs. As far as the kernel supports it,
/// also TCP, devices, abstract sockets, and signals to other processes. The filter of system calls forbids
/// these a second time.
pub(super) fn restrict(confinement: &Confinement, program: &OsStr) -> Result<(), RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile | AccessFs::Truncate;
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        // The linker is a library that is executed.
        .add_rules(path_beneath_rules(LIBRARIES, read | AccessFs::Execute))?
        .add_rules(path_beneath_rules([program], AccessFs::ReadFile | AccessFs::Execute))?
        .add_rules(path_beneath_rules([LIBRARY_INDEX], AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(&confinement.reads, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(&confinement.writes, write))?
        .restrict_self()?;
    Ok(())
}
