//! Which passwords are accepted.

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
        // A character has at most 4 bytes, so a longer text needs no counting.
        let is_countable = text.expose_secret().len() <= 128 * 4;
        if is_countable && (8..=128).contains(&text.expose_secret().chars().count()) {
            Ok(Self(text))
        } else {
            Err(BadLength)
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }

    /// Whether the password is common: in any case of its letters, it is one of the 30,000 most common
    /// passwords, or a run, repetition or date that is guessed as fast (`qwertyui`, `12341234`, `19870412`),
    /// or the account's own address.
    ///
    /// The list comes from the crate zxcvbn, which unpacks it into 5 MiB for the first check. A check may
    /// cost as much as a hash: call this only inside a hashing slot.
    pub(crate) fn is_common(&self, email: &EmailAddress) -> bool {
        let password = self.0.expose_secret().to_lowercase();
        let email = email.as_str();
        let local_part = email.split('@').next().unwrap_or(email);
        if password == email || password == local_part {
            return true;
        }
        if password.chars().count() > LONGEST_COMMON {
            return false;
        }
        let estimate = zxcvbn::zxcvbn(&password, &[]);
        estimate.sequence().len() == 1 && estimate.guesses() <= LIST_ENTRIES + 1
    }
}

/// No entry of the list is longer. zxcvbn tries every reading of `4@8(` as letters: 120 such characters,
/// which anyone could send, take it a second and a half.
const LONGEST_COMMON: usize = 24;

/// Entries in zxcvbn's list of passwords, by rank. One more guess is its own offset.
const LIST_ENTRIES: u64 = 30_000;

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
}
