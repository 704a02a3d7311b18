//! Random secrets and their hashes, the installation's master keys with what is signed and sealed under them, and the way to
//! other keys.
//!
//! ```text
//! ENCRYPTION_KEY, older ones ── master ──┬── signer    what leaves and comes back: session tokens, receipts, cached answers
//!                                        └── envelope  what is kept: master key ▶ a customer's data key ▶ value
//!                                              │   rotate, status: the way to other keys, and how far it has come
//!                                              └── sealed: every column with such values
//! ```
//!
//! What must stay true: no key and no secret is printed, logged, or put into an error, where a key is called by its id; plain
//! keys and opened values are wiped when they are dropped; a value opens only where it was sealed: in its table, column and row,
//! for its customer.
mod aead;
mod envelope;
mod legacy;
mod master;
mod rotate;
pub mod sealed;
mod signer;
mod standing;
mod status;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use envelope::Envelopes;
pub use legacy::Vault;
pub use master::{MasterKey, MasterKeys};
pub use rotate::{Rotated, Step, Unreadable, discard_unused, rotate};
pub use signer::Signer;
pub use standing::StandingToken;
pub use status::{ColumnStatus, KeyStatus, MasterStatus, status};

use crate::{Error, Result};

/// Bytes that are wiped when they are dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// A random token of 32 bytes from the operating system, as 43 URL-safe characters.
pub fn token() -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))
}

/// Random bytes from the operating system.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|e| Error::internal("the operating system gave no randomness", e))?;
    Ok(bytes)
}

/// HMAC-SHA256 of `data`.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so the error can't happen; an empty key would be the wrong answer to it.
    match <Hmac<Sha256> as Mac>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(data).finalize().into_bytes().to_vec(),
        Err(_) => sha256(&[key, data].concat()),
    }
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> Vec<u8> {
    Sha256::digest(data).to_vec()
}

/// Whether two secrets are equal, in time that tells neither where they differ nor how long they are: their hashes are compared.
pub fn equal(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    sha256(a.as_ref()).ct_eq(&sha256(b.as_ref())).into()
}

/// `parts` as one text that no other parts make: each after its length. What signatures and seals are over.
pub fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (token().unwrap(), token().unwrap());
        assert_eq!(a.len(), 43);
        assert_ne!(a, b);
    }

    #[test]
    fn parts_that_are_cut_elsewhere_are_other_parts() {
        assert_ne!(joined(&[b"ab", b"c"]), joined(&[b"a", b"bc"]));
        assert_ne!(joined(&[b"ab", b""]), joined(&[b"ab"]));
        assert_eq!(joined(&[b"ab", b"c"]), joined(&[b"ab", b"c"]));
    }
}
