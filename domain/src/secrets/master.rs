//! The installation's master keys: the present one, and others that are still taken while things are moved to it.
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

use super::{Secret, hmac_sha256};

/// A key that others are derived from; nothing is sealed or signed with it itself.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    key: Secret,
}

impl MasterKey {
    fn new(key: &[u8]) -> Self {
        let id = hex::encode(&hmac_sha256(key, b"master key id")[..6]);
        let key = Zeroizing::new(key.to_vec());
        Self { id, key }
    }

    /// Names the key in the database, in errors and to operators, and tells nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A key for one `purpose`, of 32 bytes: what is made for one purpose is worthless for another.
    pub fn derive(&self, purpose: &str) -> Secret {
        Zeroizing::new(hmac_sha256(&self.key, purpose.as_bytes()))
    }
}

/// The master keys of a process. Cloning shares them.
#[derive(Clone)]
pub struct MasterKeys(Arc<[MasterKey]>);

impl MasterKeys {
    /// `present` makes everything new; what `others` made is still taken.
    pub fn new<'a>(present: &[u8], others: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut keys = vec![MasterKey::new(present)];
        for other in others {
            let other = MasterKey::new(other);
            if keys.iter().all(|key| key.id != other.id) {
                keys.push(other);
            }
        }
        Self(keys.into())
    }

    /// The key that makes everything new.
    pub fn present(&self) -> &MasterKey {
        // Never empty by its making.
        &self.0[0]
    }

    /// The present key without the others.
    #[must_use]
    pub fn present_alone(&self) -> Self {
        Self([self.present().clone()].into())
    }

    /// All that are taken, the present one first.
    pub fn all(&self) -> &[MasterKey] {
        &self.0
    }

    /// The key with this id, if it is taken.
    pub fn find(&self, id: &str) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(MasterKey::id)).finish()
    }
}

impl From<&Self> for MasterKeys {
    fn from(keys: &Self) -> Self {
        keys.clone()
    }
}

impl From<&[u8]> for MasterKeys {
    fn from(key: &[u8]) -> Self {
        Self::new(key, [])
    }
}

impl<const N: usize> From<&[u8; N]> for MasterKeys {
    fn from(key: &[u8; N]) -> Self {
        Self::new(key, [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_ids_that_tell_nothing() {
        let keys = MasterKeys::new(b"new", [b"old".as_slice(), b"new", b"older"]);
        assert_eq!(keys.all().len(), 3);
        assert_eq!(keys.present().id(), MasterKeys::from(b"new").present().id());
        let old = MasterKeys::from(b"old");
        assert!(keys.find(old.present().id()).is_some() && old.find(keys.present().id()).is_none());
        let shown = format!("{keys:?}");
        assert!(shown.contains(keys.present().id()) && !shown.contains("old") && !shown.contains("new"));
        assert_ne!(keys.present().derive("a"), keys.present().derive("b"));
    }
}
