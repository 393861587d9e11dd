//! Which passwords are accepted, and what is kept of them.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version, password_hash};
use contracts::EmailAddress;
use secrecy::{ExposeSecret as _, SecretString};

/// A password that is neither too short nor too long.
///
/// `Debug` hides it, and its memory is overwritten when it is dropped.
#[derive(Debug)]
pub(crate) struct Password(SecretString);

/// The password has fewer than 8 or more than 128 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password has fewer than 8 or more than 128 characters")]
pub(crate) struct BadLength;

impl Password {
    /// Takes 8 to 128 characters of any kind (NIST SP 800-63B, 3.1.1.2).
    pub(crate) fn parse(text: SecretString) -> Result<Self, BadLength> {
        // A character has at most 4 bytes: whatever is longer need not be counted.
        let is_countable = text.expose_secret().len() <= 128 * 4;
        if is_countable && (8..=128).contains(&text.expose_secret().chars().count()) {
            Ok(Self(text))
        } else {
            Err(BadLength)
        }
    }

    /// Whether an attacker who goes through a list would get to this password at once: it is an entry of a list
    /// of the 30,000 most common ones, whatever the case of its letters, or a plain run, repetition or date that
    /// takes no more tries than that (`qwertyui`, `12341234`, `19870412`), or the account's own address.
    ///
    /// The list is that of the crate zxcvbn. It is unpacked when the first password is checked, not at the
    /// start, and costs milliseconds of CPU: call this where hashing may happen.
    pub(crate) fn is_common(&self, email: &EmailAddress) -> bool {
        let email = email.as_str();
        let local_part = email.split('@').next().unwrap_or(email);
        let estimate = zxcvbn::zxcvbn(&self.0.expose_secret().to_lowercase(), &[email, local_part]);
        estimate.sequence().len() == 1 && estimate.guesses() <= LIST_ENTRIES + 1
    }
}

/// Entries in zxcvbn's list of passwords, by rank. One more guess is its own offset.
const LIST_ENTRIES: u64 = 30_000;

/// The least that OWASP's Password Storage Cheat Sheet asks of Argon2id, since a login must not cost more than some
/// 30 ms of a core and 19 MiB: whoever sends logins chooses how often. Constants, so that nobody weakens them by
/// a setting; the stored hashes name theirs, which lets a later release raise them.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// An Argon2id hash with its parameters and salt (PHC string format).
#[derive(Debug, Clone)]
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a password with a new salt. Takes a core for tens of milliseconds.
    pub(crate) fn of(password: &Password) -> Result<Self, password_hash::Error> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Self(argon2.hash_password(password.0.expose_secret().as_bytes())?.to_string()))
    }

    /// The hash of no password, for addresses without an account: it takes as long to verify as a real one.
    pub(crate) fn of_nobody() -> Self {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$VGhlcmUgaXMgbm8gcGFzc3dvcmQgZm9yIHRoaXMgMS4";
        Self(hash.to_owned())
    }

    pub(crate) fn from_stored(hash: String) -> Self {
        Self(hash)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the hash of the password. Takes a core for tens of milliseconds.
    ///
    /// # Errors
    ///
    /// This is no hash that Argon2 could have made.
    pub(crate) fn matches(&self, password: &Password) -> Result<bool, password_hash::Error> {
        let hash = phc::PasswordHash::new(&self.0)?;
        match Argon2::default().verify_password(password.0.expose_secret().as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.into()).unwrap()
    }

    #[test]
    fn eight_to_128_characters_are_taken_whatever_their_bytes() {
        for right in ["12345678", "ünïcödé!", &"a".repeat(128), &"🦀".repeat(128)] {
            assert!(Password::parse(right.into()).is_ok(), "{right:?}");
        }
        for wrong in ["", "1234567", "🦀🦀", &"a".repeat(129), &"🦀".repeat(129), &"a".repeat(10_000)] {
            assert!(Password::parse(wrong.into()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn common_passwords_are_known_in_any_case() {
        let email = "ada.lovelace@example.org".parse().unwrap();
        for common in [
            "password",
            "PassWord",
            "password1",
            "12345678",
            "11111111",
            "qwertyui",
            "iloveyou",
            "sunshine",
            "abcdefgh",
            "19870412",
            "ada.lovelace",
            "Ada.Lovelace@example.org",
        ] {
            assert!(password(common).is_common(&email), "{common:?}");
        }
        for uncommon in ["correct horse battery", "mixdown-2026-ada", "tr0ub4dor&3xyz", "пароль-длинный"]
        {
            assert!(!password(uncommon).is_common(&email), "{uncommon:?}");
        }
    }

    #[test]
    fn a_hash_matches_its_password_and_no_other() {
        let hash = PasswordHash::of(&password("correct horse")).unwrap();
        assert!(hash.matches(&password("correct horse")).unwrap());
        assert!(!hash.matches(&password("correct hors3")).unwrap());
        assert_ne!(hash.as_str(), PasswordHash::of(&password("correct horse")).unwrap().as_str());
        assert!(PasswordHash::from_stored("$1$old".to_owned()).matches(&password("correct horse")).is_err());
    }

    // A different prefix would mean different costs, and a login would tell who has an account.
    #[test]
    fn the_hash_of_nobody_costs_what_a_real_one_does() {
        let nobody = PasswordHash::of_nobody();
        let real = PasswordHash::of(&password("correct horse")).unwrap();
        let costs =
            |hash: &PasswordHash| hash.as_str().split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(costs(&nobody), costs(&real));
        assert_eq!(nobody.as_str().len(), real.as_str().len());
        assert!(!nobody.matches(&password("correct horse")).unwrap());
    }
}
