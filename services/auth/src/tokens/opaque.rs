//! Opaque tokens: refresh tokens and those in mails.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::Secret;

/// The stored SHA-256 of a token. Tokens are 256 random bits, so a slower hash would add nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// 256 random bits.
pub(crate) fn random_bytes() -> Result<[u8; 32], Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// A new token of 256 random bits in base64url: 43 characters.
pub(crate) fn new_token() -> Result<(Secret, TokenHash), Unspecified> {
    let text = URL_SAFE_NO_PAD.encode(random_bytes()?);
    let hash = TokenHash::of(&text);
    Ok((text.into(), hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_found_by_their_hash() {
        let ((first, first_hash), (second, second_hash)) = (new_token().unwrap(), new_token().unwrap());
        assert_eq!(first.expose().len(), 43);
        assert_ne!(first.expose(), second.expose());
        assert!(TokenHash::of(first.expose()) == first_hash && first_hash != second_hash);
    }
}
