//! Random secrets, their hashes, and signatures.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Error, Result};

/// A random token of 32 bytes from the operating system, as 43 URL-safe characters.
pub fn token() -> Result<String> {
    let mut bytes = [0u8; 32];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|e| Error::internal("the operating system gave no randomness", e))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> Vec<u8> {
    Sha256::digest(data).to_vec()
}

/// Whether two secrets are equal, in time that does not tell where they differ.
pub fn equal(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// HMAC-SHA256 under a key derived from the installation's key for one `purpose`, so that a signature made for one
/// purpose is worthless for another.
#[derive(Clone)]
pub struct Signer {
    key: Vec<u8>,
}

impl Signer {
    /// A signer for `purpose` from the installation's `master` key.
    pub fn new(master: &[u8], purpose: &str) -> Self {
        Self {
            key: hmac(master, purpose.as_bytes()),
        }
    }

    /// `payload` and its signature as one URL-safe text `payload.signature`.
    pub fn seal(&self, payload: &[u8]) -> String {
        let body = URL_SAFE_NO_PAD.encode(payload);
        let signature = URL_SAFE_NO_PAD.encode(hmac(&self.key, body.as_bytes()));
        format!("{body}.{signature}")
    }

    /// The payload of a sealed text, if the signature is ours.
    pub fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let (body, signature) = sealed.split_once('.')?;
        let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let wanted = hmac(&self.key, body.as_bytes());
        bool::from(given.ct_eq(&wanted)).then(|| URL_SAFE_NO_PAD.decode(body).ok())?
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so the error can't happen; an empty key would be the wrong answer to it.
    match <Hmac<Sha256> as Mac>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(data).finalize().into_bytes().to_vec(),
        Err(_) => sha256(&[key, data].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_under_its_own_key_and_purpose() {
        let signer = Signer::new(b"master", "widget");
        let sealed = signer.seal(b"hello");
        assert_eq!(signer.open(&sealed).as_deref(), Some(&b"hello"[..]));
        assert_eq!(Signer::new(b"master", "receipt").open(&sealed), None);
        assert_eq!(Signer::new(b"other", "widget").open(&sealed), None);
        let forged = format!("{sealed}x");
        assert_eq!(signer.open(&forged), None);
        assert_eq!(signer.open("nonsense"), None);
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (token().unwrap(), token().unwrap());
        assert_eq!(a.len(), 43);
        assert_ne!(a, b);
    }
}
