use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use time::OffsetDateTime;

use crate::{FileId, Mp3Fid};

/// The part of a download link after `/d/`: a credential for one file, with an expiry.
///
/// 12 bytes of file id, 8 bytes of expiry (seconds since 1970, big-endian) and 32 bytes of HMAC-SHA-256 over
/// both, base64url without padding: 70 characters. Its holder may download the file, so it is never logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedLink {
    /// The audio file that it opens.
    pub fid: Mp3Fid,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// Why a link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// Not made with this key, or changed since.
    #[error("the link is not one of ours")]
    Forged,
    /// Genuine, but expired.
    #[error("the link has expired")]
    Expired,
}

/// The part of an archive's link after `/archives/`: a credential for several files together, with an expiry.
///
/// 8 bytes of expiry, 12 bytes for each file id and 32 bytes of HMAC-SHA-256 over both, base64url without
/// padding. The signed bytes include the purpose: no download link passes for an archive's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveLink {
    /// The audio files in it.
    pub fids: Vec<Mp3Fid>,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// The secret that download links are signed with. Notification and the gateway sign, the gateway verifies.
#[derive(Clone)]
pub struct LinkKey {
    file: Hmac<Sha256>,
    archive: Hmac<Sha256>,
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

// Keep a link's HMAC apart from any other use of the same secret.
const FILE_PURPOSE: &[u8] = b"mixdown download link v1\0";
const ARCHIVE_PURPOSE: &[u8] = b"mixdown archive link v1\0";
const TAG_BYTES: usize = 32;

impl LinkKey {
    /// The key derived from a secret text.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "HMAC takes keys of every length")]
    pub fn new(secret: &SecretString) -> Self {
        let mac = Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("any length");
        let with_purpose = |purpose| Hmac::<Sha256>::chain_update(mac.clone(), purpose);
        Self { file: with_purpose(FILE_PURPOSE), archive: with_purpose(ARCHIVE_PURPOSE) }
    }

    /// The text of a link.
    #[must_use]
    pub fn sign(&self, link: SignedLink) -> String {
        let mut claim = link.fid.0.bytes().to_vec();
        claim.extend_from_slice(&link.expires_at.unix_timestamp().to_be_bytes());
        seal(&self.file, claim)
    }

    /// The content of a link, if it is genuine and has not expired.
    pub fn verify(&self, text: &str, now: OffsetDateTime) -> Result<SignedLink, InvalidLink> {
        let claim = unseal(&self.file, text)?;
        let (fid, expiry) = claim.split_first_chunk::<12>().ok_or(InvalidLink::Forged)?;
        let expires_at = moment(expiry.try_into().map_err(|_| InvalidLink::Forged)?, now)?;
        Ok(SignedLink { fid: Mp3Fid(FileId::from_bytes(*fid)), expires_at })
    }

    /// The text of an archive's link.
    #[must_use]
    pub fn sign_archive(&self, link: &ArchiveLink) -> String {
        let mut claim = link.expires_at.unix_timestamp().to_be_bytes().to_vec();
        claim.extend(link.fids.iter().flat_map(|fid| fid.0.bytes()));
        seal(&self.archive, claim)
    }

    /// The content of an archive's link, if it is genuine and has not expired.
    pub fn verify_archive(&self, text: &str, now: OffsetDateTime) -> Result<ArchiveLink, InvalidLink> {
        let claim = unseal(&self.archive, text)?;
        let (expiry, fids) = claim.split_first_chunk::<8>().ok_or(InvalidLink::Forged)?;
        let expires_at = moment(*expiry, now)?;
        let (fids, rest) = fids.as_chunks::<12>();
        if !rest.is_empty() {
            return Err(InvalidLink::Forged);
        }
        let fids = fids.iter().map(|fid| Mp3Fid(FileId::from_bytes(*fid))).collect();
        Ok(ArchiveLink { fids, expires_at })
    }
}

fn seal(mac: &Hmac<Sha256>, mut claim: Vec<u8>) -> String {
    let tag = mac.clone().chain_update(&claim).finalize().into_bytes();
    claim.extend_from_slice(&tag);
    URL_SAFE_NO_PAD.encode(claim)
}

fn unseal(mac: &Hmac<Sha256>, text: &str) -> Result<Vec<u8>, InvalidLink> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidLink::Forged)?;
    let claim_bytes = bytes.len().checked_sub(TAG_BYTES).ok_or(InvalidLink::Forged)?;
    let tag = bytes.split_off(claim_bytes);
    // Compares in constant time.
    mac.clone().chain_update(&bytes).verify_slice(&tag).map_err(|_| InvalidLink::Forged)?;
    Ok(bytes)
}

fn moment(expiry: [u8; 8], now: OffsetDateTime) -> Result<OffsetDateTime, InvalidLink> {
    let expires_at = OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(expiry));
    let expires_at = expires_at.map_err(|_| InvalidLink::Forged)?;
    if expires_at <= now { Err(InvalidLink::Expired) } else { Ok(expires_at) }
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

    #[test]
    fn an_archive_opens_its_files_until_it_expires_and_is_no_other_link() {
        let (key, one) = (key("one"), link());
        let now = one.expires_at - Duration::SECOND;
        let other = "000000000000000000000001".parse().unwrap();
        let archive = ArchiveLink { fids: vec![one.fid, other], expires_at: one.expires_at };
        let text = key.sign_archive(&archive);
        assert_eq!(key.verify_archive(&text, now), Ok(archive.clone()));
        assert_eq!(key.verify_archive(&text, one.expires_at), Err(InvalidLink::Expired));
        assert_eq!(key.verify_archive(&text[..text.len() - 1], now), Err(InvalidLink::Forged));
        assert_eq!(key.verify(&text, now), Err(InvalidLink::Forged));
        // For one file both kinds of link have the same number of bytes.
        let single = ArchiveLink { fids: vec![one.fid], ..archive };
        assert_eq!(key.verify(&key.sign_archive(&single), now), Err(InvalidLink::Forged));
        assert_eq!(key.verify_archive(&key.sign(one), now), Err(InvalidLink::Forged));
    }
}
