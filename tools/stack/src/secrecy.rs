//! Searches the logs of every test run for secrets, whatever the tests are about.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use test_kit::services::Service;

/// The result of the search in a run's logs.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    pub(crate) files: usize,
    pub(crate) lines: usize,
    /// The lines with a secret, each after its file's name.
    pub(crate) found: Vec<String>,
}

/// Searches every log that services left in a run's folder.
pub(crate) fn search_logs(home: &Path) -> Result<Searched> {
    let mut searched = Searched::default();
    for path in logs_in(home)? {
        let log = fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        let log = String::from_utf8_lossy(&log);
        searched.files += 1;
        searched.lines += log.lines().count();
        searched.found.extend(indiscretions(&log).map(|line| format!("{}: {line}", path.display())));
    }
    Ok(searched)
}

/// The logs are where a [`Mixdown`](test_kit::mixdown::Mixdown) is or was.
fn logs_in(home: &Path) -> Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for folder in fs::read_dir(home).context("could not list the run's folder")? {
        let folder = folder?.path();
        logs.extend(Service::ALL.iter().map(|service| folder.join(format!("{}.log", service.name()))));
    }
    logs.retain(|log| log.is_file());
    Ok(logs)
}

fn indiscretions(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| {
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.@".contains(c));
        words.any(|word| is_secret(word, line)) || names_credentials(line)
    })
}

fn is_secret(word: &str, line: &str) -> bool {
    const OPAQUE_TOKEN_LENGTH: usize = 43;
    // The passwords and addresses of the tests' users.
    word.contains("secret_")
        || word.contains("@example.")
        || is_signed_token(word)
        || word.contains("mxk_")
        // Links, refresh tokens, tokens in mails. A key's name looks the same but is public.
        || word.len() == OPAQUE_TOKEN_LENGTH && is_mixed(word) && !line.contains("kid")
}

fn is_signed_token(word: &str) -> bool {
    word.starts_with("eyJ") && word.matches('.').count() == 2
}

/// Whether letters and digits are mixed. Identifiers made of words are not.
fn is_mixed(word: &str) -> bool {
    let has = |is: fn(&char) -> bool| word.chars().any(|c| is(&c));
    has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase)
}

/// Whether the line contains an address with a user and a password: `scheme://user:password@host`.
fn names_credentials(line: &str) -> bool {
    line.split("://").skip(1).any(|address| {
        let authority = address.split(['/', ' ', '"']).next().unwrap_or_default();
        authority.contains('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_secret_is_found() {
        let secrets = [
            "the password secret_0123456789abcdef was wrong",
            "mailed to=ada_0123456789abcdef@example.org",
            "token=\"eyJ0eXAiOiJhdCtqd3Qi.eyJpc3MiOiJtaXhk.c2lnbmF0dXJl\"",
            "key mxk_rDwPh4ZE2YYXDsJwdwrNnV0kR0qCfIepQerL7kAi2x0 used",
            "GET /d/rDwPh4ZE2YYXDsJwdwrNnV0kR0qCfIepQerL7kAi2x0",
            "could not connect to amqp://mixdown:0a1b2c@127.0.0.1:5672/%2f",
        ];
        for secret in secrets {
            assert_eq!(indiscretions(&format!("a line\n{secret}\nanother")).collect::<Vec<_>>(), [secret]);
        }
    }

    #[test]
    fn what_an_operator_needs_is_no_secret() {
        let log = "made a signing key kid=\"rDwPh4ZE2YYXDsJwdwrNnV0kR0qCfIepQerL7kAi2x0\"\n\
            accepted job.id=01a1fba6-ac9e-730d-b830-6b398ef148a9 user.id=01a1fba6-ac55-727f-9380-b7de3d42f38a\n\
            serving address=http://127.0.0.1:8080 queue=mx_0123456789abcdef_video\n\
            the_name_of_some_module_that_is_long_enough: file.id=6925f0c2ab8e4a7001234567";
        assert_eq!(indiscretions(log).collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn logs_are_searched_where_systems_leave_them() {
        let home = tempfile::tempdir().unwrap();
        let system = home.path().join("mixdown-a");
        fs::create_dir(&system).unwrap();
        fs::write(system.join("gateway.log"), "one\ntwo secret_1\n").unwrap();
        fs::write(system.join("auth.log"), "three\n").unwrap();
        fs::write(system.join("other.log"), "secret_2\n").unwrap();
        let searched = search_logs(home.path()).unwrap();
        assert_eq!((searched.files, searched.lines, searched.found.len()), (2, 3, 1));
        assert!(searched.found[0].ends_with("two secret_1"), "{:?}", searched.found);
    }
}
