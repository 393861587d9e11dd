use std::ffi::OsStr;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use super::Confinement;

/// Where a system has its libraries; what is not there is left out. Programs are elsewhere.
const LIBRARIES: [&str; 6] = ["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"];

/// Where the dynamic linker looks libraries up.
const LIBRARY_INDEX: &str = "/etc/ld.so.cache";

/// The last that is known here. Of what came after the first, a kernel does what it can.
const NEWEST: ABI = ABI::V9;

/// Takes every file from this process but those that the program needs, and as far as the kernel knows how:
/// TCP, devices, abstract sockets, and signals to others. The filter of system calls takes these again.
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
