//! Encryption of private keys at rest.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use contracts::{MailId, Secret};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

/// `KEY_ENCRYPTION_KEY` is malformed. The message omits its value.
#[derive(Debug, thiserror::Error)]
#[error("KEY_ENCRYPTION_KEY is not 32 bytes in base64; `openssl rand -base64 32` makes one")]
pub(crate) struct InvalidKeyEncryptionKey;

/// The bytes were not encrypted with this key for this name, or were changed since.
#[derive(Debug, thiserror::Error)]
#[error("the key does not open the seal")]
pub(crate) struct WrongKey;

/// Encrypts private signing keys, so that a copy of the database cannot sign.
#[derive(Debug)]
pub(crate) struct KeyEncryptionKey {
    seal: RandomizedNonceKey,
    mail_tokens: MailTokenKey,
}

/// Derives the token of a mail. A mail always has the same token, so that one published twice has one link,
/// and no readable copy of the token is stored.
#[derive(Debug, Clone)]
pub(crate) struct MailTokenKey(hmac::Key);

impl MailTokenKey {
    /// The mail's token: 256 bits in base64url, indistinguishable from random without the key.
    pub(crate) fn token(&self, mail: MailId) -> Secret {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, mail.as_uuid().as_bytes())).into()
    }
}

impl KeyEncryptionKey {
    pub(crate) fn parse(text: &SecretString) -> Result<Self, InvalidKeyEncryptionKey> {
        let bytes = STANDARD.decode(text.expose_secret()).map_err(|_| InvalidKeyEncryptionKey)?;
        let bytes = SecretSlice::from(bytes);
        // Fails for any other length.
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes.expose_secret());
        let seal = key.map_err(|_| InvalidKeyEncryptionKey)?;
        // A separate key: one key should serve one algorithm.
        let derived =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes.expose_secret()), b"tokens of mails");
        let mail_tokens = MailTokenKey(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()));
        Ok(Self { seal, mail_tokens })
    }

    pub(crate) fn mail_tokens(&self) -> MailTokenKey {
        self.mail_tokens.clone()
    }

    /// Encrypts for a name: a random nonce, the ciphertext, the tag. Decrypting needs the same name.
    pub(crate) fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let mut ciphertext = secret.to_vec();
        let nonce = self.seal.seal_in_place_append_tag(Aad::from(name), &mut ciphertext)?;
        Ok([nonce.as_ref().as_slice(), &ciphertext].concat())
    }

    /// Decrypts what was encrypted for the name.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, WrongKey> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(WrongKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| WrongKey)?;
        let mut opened = ciphertext.to_vec();
        let length =
            self.seal.open_in_place(nonce, Aad::from(name), &mut opened).map_err(|_| WrongKey)?.len();
        opened.truncate(length);
        Ok(opened.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> KeyEncryptionKey {
        KeyEncryptionKey::parse(&STANDARD.encode([byte; 32]).into()).unwrap()
    }

    #[test]
    fn only_the_same_key_and_name_open_what_was_sealed() {
        let sealed = key(1).seal("first", b"private").unwrap();
        assert_eq!(key(1).open("first", &sealed).unwrap().expose_secret(), b"private");
        assert!(key(2).open("first", &sealed).is_err());
        assert!(key(1).open("second", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key(1).open("first", &changed).is_err());
        }
        assert!(key(1).open("first", b"short").is_err());
        assert_ne!(sealed, key(1).seal("first", b"private").unwrap());
    }

    #[test]
    fn a_mail_has_one_token_and_another_under_another_key() {
        let (mail, other) = (MailId::generate(), MailId::generate());
        let token = |byte, mail| key(byte).mail_tokens().token(mail).expose().to_owned();
        assert_eq!(token(1, mail).len(), 43);
        assert_eq!(token(1, mail), token(1, mail));
        assert_ne!(token(1, mail), token(1, other));
        assert_ne!(token(1, mail), token(2, mail));
    }

    #[test]
    fn keys_of_any_other_length_are_refused_without_being_shown() {
        for wrong in ["", "c2hvcnQ=", "not base64!", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33])] {
            let error = KeyEncryptionKey::parse(&wrong.into()).unwrap_err().to_string();
            assert!(wrong.is_empty() || !error.contains(wrong));
        }
    }
}
