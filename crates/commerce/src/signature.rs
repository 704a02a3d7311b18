//! Signatures of webhooks: HMAC-SHA256 of the body as it came, in base64 (WooCommerce: `X-WC-Webhook-Signature`; Shopify:
//! `X-Shopify-Hmac-SHA256`, under the app's client secret).
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The signature of `body` under `secret`.
pub fn sign(secret: &[u8], body: &[u8]) -> String {
    // HMAC takes keys of every length.
    let mac = mac(secret).map(|mac| mac.chain_update(body).finalize().into_bytes());
    mac.map(|mac| STANDARD.encode(mac)).unwrap_or_default()
}

/// Whether `signature` is that of `body` under `secret`, in time that does not tell where it differs. An empty secret signs nothing.
pub fn fits(secret: &[u8], body: &[u8], signature: &str) -> bool {
    let Ok(given) = STANDARD.decode(signature.trim()) else {
        return false;
    };
    !secret.is_empty() && mac(secret).is_some_and(|mac| mac.chain_update(body).verify_slice(&given).is_ok())
}

fn mac(secret: &[u8]) -> Option<Hmac<Sha256>> {
    <Hmac<Sha256> as Mac>::new_from_slice(secret).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, section 4.3.
    #[test]
    fn a_signature_is_hmac_sha256_in_base64() {
        let (key, data) = (b"Jefe", b"what do ya want for nothing?");
        let signature = "W9zBRr9gdU5qBCQIidlOwzBwRpf5bnplqXFhlLyBOSk=";
        // 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843
        assert_eq!(sign(key, data), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
        assert!(fits(key, data, &sign(key, data)) && !fits(key, data, signature));
    }

    #[test]
    fn nothing_but_the_signature_of_these_very_bytes_fits() {
        let body = br#"{"id": 1}"#;
        let good = sign(b"secret", body);
        assert!(fits(b"secret", body, &good) && fits(b"secret", body, &format!(" {good} ")));
        assert!(!fits(b"other", body, &good) && !fits(b"secret", br#"{"id":1}"#, &good));
        for bad in ["", "=", "AAAA", &good[..good.len() - 4], &good.to_lowercase()] {
            assert!(!fits(b"secret", body, bad), "{bad}");
        }
        assert!(!fits(b"", body, &sign(b"", body)), "no secret is no proof");
    }
}
