use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use time::OffsetDateTime;

use crate::{FileId, Mp3Fid};

/// The part of a download link after `/d/`: a credential for one file until a moment.
///
/// 12 bytes of file id, 8 bytes of expiry (seconds since 1970, big-endian) and 32 bytes of HMAC-SHA-256
/// over both, base64url without padding: 70 characters. Whoever holds it may download, so it is never logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedLink {
    /// The MP3 it opens.
    pub fid: Mp3Fid,
    /// When it stops to.
    pub expires_at: OffsetDateTime,
}

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// Not made with this key, or changed since.
    #[error("the link is not one of ours")]
    Forged,
    /// Genuine, but its time is over.
    #[error("the link has expired")]
    Expired,
}

/// The secret that download links are signed with. Notification signs, the gateway verifies.
#[derive(Clone)]
pub struct LinkKey(Hmac<Sha256>);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

// Keeps a link's HMAC apart from any other use of the same secret.
const PURPOSE: &[u8] = b"mixdown download link v1\0";
const CLAIM_BYTES: usize = 12 + 8;

impl LinkKey {
    /// The key that a secret text stands for.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "HMAC takes keys of every length")]
    pub fn new(secret: &SecretString) -> Self {
        let mut mac = Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("any length");
        mac.update(PURPOSE);
        Self(mac)
    }

    /// The text of a link.
    #[must_use]
    pub fn sign(&self, link: SignedLink) -> String {
        let mut bytes = Vec::with_capacity(CLAIM_BYTES + 32);
        bytes.extend_from_slice(&link.fid.0.bytes());
        bytes.extend_from_slice(&link.expires_at.unix_timestamp().to_be_bytes());
        let tag = self.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a link stands for, if it is genuine and its time is not over.
    pub fn verify(&self, text: &str, now: OffsetDateTime) -> Result<SignedLink, InvalidLink> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidLink::Forged)?;
        let (claim, tag) = bytes.split_at_checked(CLAIM_BYTES).ok_or(InvalidLink::Forged)?;
        // Compares in constant time.
        self.0.clone().chain_update(claim).verify_slice(tag).map_err(|_| InvalidLink::Forged)?;
        let (fid, expiry) = claim.split_first_chunk::<12>().ok_or(InvalidLink::Forged)?;
        let expiry = i64::from_be_bytes(expiry.try_into().map_err(|_| InvalidLink::Forged)?);
        let expires_at = OffsetDateTime::from_unix_timestamp(expiry).map_err(|_| InvalidLink::Forged)?;
        if expires_at <= now {
            return Err(InvalidLink::Expired);
        }
        Ok(SignedLink { fid: Mp3Fid(FileId::from_bytes(*fid)), expires_at })
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    fn key(secret: &str) -> LinkKey {
        LinkKey::new(&secret.into())
    }

    fn link() -> SignedLink {
        let expires_at = OffsetDateTime::from_unix_timestamp(2_000_000_000).unwrap();
        SignedLink { fid: "665f1c2ab8e4a70012345678".parse().unwrap(), expires_at }
    }

    #[test]
    fn a_link_opens_its_file_until_it_expires() {
        let (key, link) = (key("one"), link());
        let text = key.sign(link);
        assert_eq!(text.len(), 70);
        assert_eq!(key.verify(&text, link.expires_at - Duration::SECOND), Ok(link));
        assert_eq!(key.verify(&text, link.expires_at), Err(InvalidLink::Expired));
    }

    #[test]
    fn a_link_that_was_changed_anywhere_is_forged() {
        let (key, link) = (key("one"), link());
        let text = key.sign(link);
        let now = link.expires_at - Duration::SECOND;
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.verify(&changed, now), Err(InvalidLink::Forged), "character {at}");
            assert_eq!(key.verify(&text[..at], now), Err(InvalidLink::Forged), "cut at {at}");
        }
        assert_eq!(super::tests::key("two").verify(&text, now), Err(InvalidLink::Forged));
    }
}
