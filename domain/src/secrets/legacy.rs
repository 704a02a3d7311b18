//! Values from before there were data keys: sealed under a key derived straight from the master key. They are read until
//! `omniops keys rotate` has sealed them anew.
use zeroize::Zeroizing;

use super::{MasterKey, Secret, aead, hmac_sha256};
use crate::{Error, Result};

/// Opens what was sealed for one purpose under one master key.
pub struct Vault {
    key: Secret,
}

impl Vault {
    /// For `purpose` under the installation's key `master`.
    pub fn new(master: &[u8], purpose: &str) -> Self {
        let key = Zeroizing::new(hmac_sha256(master, format!("vault {purpose}").as_bytes()));
        Self { key }
    }

    pub(super) fn of(master: &MasterKey, purpose: &str) -> Self {
        let key = master.derive(&format!("vault {purpose}"));
        Self { key }
    }

    /// Seals `secret`, bound to `belongs_to`.
    pub fn seal(&self, secret: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>> {
        aead::seal(&self.key, belongs_to, secret)
    }

    /// The secret, if this key sealed it and it belongs there.
    pub fn open(&self, sealed: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>> {
        let opened = self.try_open(sealed, belongs_to)?;
        let unreadable = || Error::internal("decrypting a secret", "another key, or another place");
        Ok(opened.ok_or_else(unreadable)?.to_vec())
    }

    pub(super) fn try_open(&self, sealed: &[u8], belongs_to: &[u8]) -> Result<Option<Secret>> {
        aead::open(&self.key, belongs_to, sealed)
    }
}
