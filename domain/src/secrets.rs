//! Random secrets, their hashes, signatures, and encryption of those that are kept.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use rand::{TryRngCore, rngs::OsRng};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Error, Result};

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
    hmac(key, data)
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

/// Encrypts secrets that are kept in the database: AES-256-GCM under a key derived from the installation's key for one
/// `purpose`. A sealed text is bound to what it belongs to, so that it opens nowhere else.
#[derive(Clone)]
pub struct Vault {
    key: Vec<u8>,
    id: String,
}

impl Vault {
    /// A vault for `purpose` from the installation's `master` key.
    pub fn new(master: &[u8], purpose: &str) -> Self {
        let key = hmac(master, format!("vault {purpose}").as_bytes());
        let id = hex::encode(&hmac(&key, b"key id")[..4]);
        Self { key, id }
    }

    /// Names the key, and tells nothing of it; kept beside what it sealed.
    pub fn key_id(&self) -> &str {
        &self.id
    }

    /// Encrypts `secret`, bound to `belongs_to`: a nonce of 12 bytes, the ciphertext and its tag of 16 bytes.
    pub fn seal(&self, secret: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>> {
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut text = secret.to_vec();
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(belongs_to), &mut text)
            .map_err(|e| Error::internal("encrypting a secret", e.to_string()))?;
        Ok([nonce.as_slice(), &text].concat())
    }

    /// The secret, if this key sealed it and it belongs there.
    pub fn open(&self, sealed: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>> {
        let unreadable = || Error::internal("decrypting a secret", "another key, or another place");
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
        let mut text = text.to_vec();
        let plain = self.cipher()?.open_in_place(nonce, Aad::from(belongs_to), &mut text);
        Ok(plain.map_err(|_| unreadable())?.to_vec())
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.key);
        let key = key.map_err(|e| Error::internal("making a key", e.to_string()))?;
        Ok(LessSafeKey::new(key))
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
    fn a_secret_opens_only_under_its_key_and_where_it_belongs() {
        let vault = Vault::new(b"master", "webhooks");
        let sealed = vault.seal(b"whsec", b"row 1").unwrap();
        assert_eq!(vault.open(&sealed, b"row 1").unwrap(), b"whsec");
        assert_ne!(vault.seal(b"whsec", b"row 1").unwrap(), sealed);
        let (other_key, other_use) = (Vault::new(b"other", "webhooks"), Vault::new(b"master", "stores"));
        assert!(vault.open(&sealed, b"row 2").is_err());
        assert!(other_key.open(&sealed, b"row 1").is_err() && other_use.open(&sealed, b"row 1").is_err());
        assert!(vault.open(&sealed[..20], b"row 1").is_err() && vault.open(b"short", b"row 1").is_err());
        assert!(vault.key_id() != other_key.key_id() && !sealed.windows(5).any(|part| part == b"whsec"));
    }

    #[test]
    fn tokens_are_long_and_differ() {
        let (a, b) = (token().unwrap(), token().unwrap());
        assert_eq!(a.len(), 43);
        assert_ne!(a, b);
    }
}
