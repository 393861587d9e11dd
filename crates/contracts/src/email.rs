use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The text is not an e-mail address that Mixdown accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address of the form name@example.org")]
pub struct InvalidEmailAddress;

/// An e-mail address in lower case: ASCII, an unquoted local part of at most 64 characters, at most
/// 254 in all (RFC 5321, sections 4.1.2 and 4.5.3.1).
///
/// `Debug` hides it, since addresses do not belong in logs.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, format = Email, example = "ada@example.org")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, InvalidEmailAddress> {
        let (local, domain) = text.split_once('@').ok_or(InvalidEmailAddress)?;
        let is_valid = text.len() <= 254
            && (1..=64).contains(&local.len())
            && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_text))
            && domain.split('.').all(is_domain_label);
        if is_valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidEmailAddress) }
    }
}

/// `atext` of RFC 5322, section 3.2.3.
fn is_atom_text(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = InvalidEmailAddress;

    fn try_from(text: String) -> Result<Self, InvalidEmailAddress> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lowered_and_hidden_from_debug() {
        let address: EmailAddress = "Ada.Lovelace+video@Example.ORG".parse().unwrap();
        assert_eq!(address.as_str(), "ada.lovelace+video@example.org");
        assert!(!format!("{address:?}").contains("ada"));
    }

    #[test]
    fn text_that_could_break_a_mail_header_is_refused() {
        for wrong in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.org",
            "a b@example.org",
            "ada@exa mple.org",
            "ada@example..org",
            ".ada@example.org",
            "ada@-example.org",
            "ada@b@c",
            "ada@example.org\r\nBcc: x@y.z",
            "ada\n@example.org",
            "ädа@example.org",
            "ada@example.org,b@example.org",
            "<ada@example.org>",
        ] {
            assert!(wrong.parse::<EmailAddress>().is_err(), "{wrong:?}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        assert!(long.parse::<EmailAddress>().is_err());
    }
}
