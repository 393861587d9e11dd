//! Finds the programs that the engine runs.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A program that the converter needs is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no program `{program}`; install the package {package}")]
pub struct MissingProgram {
    program: String,
    package: &'static str,
}

/// The absolute path of a program. Children get no `PATH`, so it is resolved here.
///
/// `program` is a path if it contains a slash, otherwise a name to find in `search_path`.
pub(crate) fn find(
    program: &Path,
    package: &'static str,
    search_path: Option<&OsStr>,
) -> Result<PathBuf, MissingProgram> {
    let candidates = if program.components().count() > 1 {
        std::path::absolute(program).into_iter().collect::<Vec<_>>()
    } else {
        let directories = search_path.map(std::env::split_paths).into_iter().flatten();
        directories
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(program))
            .collect()
    };
    let missing = || MissingProgram { program: program.display().to_string(), package };
    candidates.into_iter().find(|candidate| is_executable(candidate)).ok_or_else(missing)
}

/// Whether the path leads to a file with an execute permission.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let search_path = OsStr::new("/nowhere:/usr/bin:/bin");
        let shell = find(Path::new("sh"), "dash", Some(search_path)).unwrap();
        assert!(shell.is_absolute());
        assert_eq!(find(&shell, "dash", None), Ok(shell));
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let missing = find(Path::new("ffmpeg"), "ffmpeg", Some(OsStr::new("/nowhere"))).unwrap_err();
        assert_eq!(missing.to_string(), "there is no program `ffmpeg`; install the package ffmpeg");
        // An existing file that is not executable.
        assert!(find(Path::new("/etc/passwd"), "passwd", None).is_err());
    }
}
