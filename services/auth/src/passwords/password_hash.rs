//! The stored hash of a password.

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::password_hash::{self, Error};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};

use crate::passwords::password::Password;

/// The minimum of OWASP's Password Storage Cheat Sheet for Argon2id. A login must not cost more than some 30
/// ms of a core and 19 MiB, since its sender chooses how often. Constants, so that no setting weakens them; a
/// stored hash names its own, so that a later release can raise them.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// An Argon2id hash with its parameters and salt (PHC string format).
#[derive(Debug, Clone)]
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    /// Hashes a password with a new salt. Takes a core for tens of milliseconds.
    pub(crate) fn of(password: &Password) -> Result<Self, password_hash::Error> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(Params::DEFAULT_OUTPUT_LEN))?;
        let salt = Salt::generate();
        let hash = phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(salt),
            hash: Some(argon2id(password, &salt, params)?),
        };
        Ok(Self(hash.to_string()))
    }

    /// A hash that no password matches, for unknown addresses: verifying it takes as long as a real one.
    pub(crate) fn dummy() -> Self {
        Self("$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$VGhlcmUgaXMgbm8gcGFzc3dvcmQgZm9yIHRoaXMgMS4".to_owned())
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
    /// The stored text is no hash of [`PasswordHash::of`], of any release.
    pub(crate) fn matches(&self, password: &Password) -> Result<bool, password_hash::Error> {
        let stored = phc::PasswordHash::new(&self.0)?;
        if stored.algorithm != ARGON2ID_IDENT || stored.version != Some(Version::V0x13.into()) {
            return Err(Error::Algorithm);
        }
        let (Some(salt), Some(hash)) = (&stored.salt, &stored.hash) else {
            return Err(Error::EncodingInvalid);
        };
        // `Output` compares in constant time.
        Ok(argon2id(password, salt, Params::try_from(&stored)?)? == *hash)
    }
}

fn argon2id(password: &Password, salt: &Salt, params: Params) -> Result<Output, password_hash::Error> {
    let blocks = params.block_count();
    // The capacity is larger than the memory used. glibc's allocator keeps freed blocks of 19 MiB, for each
    // thread that ever hashed: 200 parallel logins left 270 MiB behind. It gives back blocks above 32 MiB
    // (mallopt(3), M_MMAP_THRESHOLD).
    let mut memory: Vec<Block> = Vec::with_capacity(blocks.max(ALWAYS_GIVEN_BACK / Block::SIZE));
    memory.resize(blocks, Block::new());
    let output_length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..output_length).ok_or(Error::OutputSize)?;
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory)?;
    Ok(Output::new(output)?)
}

const ALWAYS_GIVEN_BACK: usize = 33 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.into()).unwrap()
    }

    // Verifies in both directions that our PHC strings are standard ones.
    #[test]
    fn hashes_are_those_of_the_argon2_crate() {
        let ours = PasswordHash::of(&password("correct horse")).unwrap();
        Argon2::default().verify_password(b"correct horse", ours.as_str()).unwrap();
        let theirs = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
        assert!(PasswordHash::from_stored(theirs).matches(&password("correct horse")).unwrap());
    }

    #[test]
    fn a_hash_matches_its_password_and_no_other() {
        let hash = PasswordHash::of(&password("correct horse")).unwrap();
        assert!(hash.matches(&password("correct horse")).unwrap());
        assert!(!hash.matches(&password("correct hors3")).unwrap());
        assert_ne!(hash.as_str(), PasswordHash::of(&password("correct horse")).unwrap().as_str());
    }

    #[test]
    fn hashes_of_another_kind_are_an_error_not_a_wrong_password() {
        for wrong in [
            "",
            "$1$old",
            "correct horse",
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2i$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$VGhlcmUgaXMgbm8gcGFzc3dvcmQgZm9yIHRoaXMgMS4",
        ] {
            let hash = PasswordHash::from_stored(wrong.to_owned());
            assert!(hash.matches(&password("correct horse")).is_err(), "{wrong:?}");
        }
    }

    // A different prefix would mean different costs: the time of a login would reveal who has an account.
    #[test]
    fn the_dummy_hash_costs_what_a_real_one_does() {
        let dummy = PasswordHash::dummy();
        let real = PasswordHash::of(&password("correct horse")).unwrap();
        let costs =
            |hash: &PasswordHash| hash.as_str().split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(costs(&dummy), costs(&real));
        assert_eq!(dummy.as_str().len(), real.as_str().len());
        assert!(!dummy.matches(&password("correct horse")).unwrap());
    }
}
