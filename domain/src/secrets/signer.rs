//! Signed texts that leave the installation and come back.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::sync::Arc;
use subtle::ConstantTimeEq;

use super::{MasterKey, MasterKeys, Secret, hmac_sha256};

/// HMAC-SHA256 under keys derived for one `purpose`, so that a signature made for one purpose is worthless for another. Signs
/// with the present master key; takes what any of the others has signed, until it is dropped from the configuration.
#[derive(Clone)]
pub struct Signer {
    keys: Arc<[Secret]>,
}

impl Signer {
    /// A signer for `purpose`.
    pub fn new(masters: impl Into<MasterKeys>, purpose: &str) -> Self {
        let derive = |master: &MasterKey| master.derive(purpose);
        Self {
            keys: masters.into().all().iter().map(derive).collect(),
        }
    }

    /// `payload` and its signature as one URL-safe text `payload.signature`.
    pub fn seal(&self, payload: &[u8]) -> String {
        let body = URL_SAFE_NO_PAD.encode(payload);
        let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(&self.keys[0], body.as_bytes()));
        format!("{body}.{signature}")
    }

    /// The payload of a sealed text, if the signature is ours.
    pub fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        let (body, signature) = sealed.split_once('.')?;
        let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let ours = |key: &Secret| bool::from(given.ct_eq(&hmac_sha256(key, body.as_bytes())));
        self.keys.iter().any(ours).then(|| URL_SAFE_NO_PAD.decode(body).ok())?
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
    fn what_an_older_key_signed_is_taken_until_that_key_is_dropped() {
        let before = Signer::new(b"old", "widget").seal(b"hello");
        let turning = Signer::new(MasterKeys::new(b"new", [b"old".as_slice()]), "widget");
        assert_eq!(turning.open(&before).as_deref(), Some(&b"hello"[..]));
        let after = turning.seal(b"hello");
        let turned = Signer::new(b"new", "widget");
        assert!(turned.open(&after).is_some() && turned.open(&before).is_none());
        assert_eq!(Signer::new(b"old", "widget").open(&after), None);
    }
}
