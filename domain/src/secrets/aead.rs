//! AES-256-GCM with random nonces of 96 bits: nonce, ciphertext and tag as one text.
//!
//! NIST SP 800-38D §8.3 allows 2^32 texts under one key with random nonces. A data key seals one customer's few secrets, and a
//! master key wraps data keys, so that neither comes near.
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{Secret, random_bytes};
use crate::{Error, Result};

/// Bytes of a key.
pub const KEY: usize = 32;

/// Seals `plain` under `key`, bound to `context`.
pub fn seal(key: &[u8], context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
    let nonce = random_bytes::<NONCE_LEN>()?;
    // With room for the tag, so that the plain text is not left behind by a reallocation.
    let mut text = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    text.extend_from_slice(plain);
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut text)
        .map_err(|e| Error::internal("encrypting a secret", e.to_string()))?;
    Ok([nonce.as_slice(), &text].concat())
}

/// What was sealed under `key` and bound to `context`; none for everything else.
pub fn open(key: &[u8], context: &[u8], sealed: &[u8]) -> Result<Option<Secret>> {
    let Some((nonce, text)) = sealed.split_at_checked(NONCE_LEN) else {
        return Ok(None);
    };
    let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else {
        return Ok(None);
    };
    let mut text = Zeroizing::new(text.to_vec());
    let opened = cipher(key)?.open_in_place(nonce, Aad::from(context), &mut text);
    Ok(opened.ok().map(|plain| Zeroizing::new(plain.to_vec())))
}

fn cipher(key: &[u8]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|e| Error::internal("making a key", e.to_string()))?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn only_the_same_key_and_context_open_an_unchanged_text() {
        let sealed = seal(&[1; KEY], b"here", b"secret").unwrap();
        assert_eq!(
            open(&[1; KEY], b"here", &sealed).unwrap().unwrap().as_slice(),
            b"secret"
        );
        assert!(open(&[2; KEY], b"here", &sealed).unwrap().is_none());
        assert!(open(&[1; KEY], b"there", &sealed).unwrap().is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&[1; KEY], b"here", &changed).unwrap().is_none(), "byte {at}");
            assert!(
                open(&[1; KEY], b"here", &sealed[..at]).unwrap().is_none(),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn a_nonce_is_never_used_twice() {
        let nonces: HashSet<Vec<u8>> = (0..10_000)
            .map(|_| seal(&[1; KEY], b"", b"same").unwrap()[..NONCE_LEN].to_vec())
            .collect();
        assert_eq!(nonces.len(), 10_000);
    }
}
