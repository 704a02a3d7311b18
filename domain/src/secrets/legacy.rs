//! Values from before there were data keys: sealed under a key derived straight from the master key. They are read until
//! `omniops keys rotate` has sealed them anew.
use super::{MasterKey, Secret, aead};
use crate::Result;

/// Opens what was sealed for one purpose under one master key.
pub struct Vault {
    key: Secret,
}

impl Vault {
    /// For `purpose` under this master key.
    pub fn new(master: &MasterKey, purpose: &str) -> Self {
        let key = master.derive(&format!("vault {purpose}"));
        Self { key }
    }

    /// Seals as it was done then, which only tests do.
    pub fn seal(&self, secret: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>> {
        aead::seal(&self.key, belongs_to, secret)
    }

    /// The secret, if this key sealed it and it belongs there.
    pub(super) fn open(&self, sealed: &[u8], belongs_to: &[u8]) -> Result<Option<Secret>> {
        aead::open(&self.key, belongs_to, sealed)
    }
}
