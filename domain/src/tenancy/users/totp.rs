//! Time-based one-time passwords, RFC 6238 with its defaults, which are the only ones that every authenticator app knows:
//! HMAC-SHA-1, steps of 30 s from 1970, six digits. SHA-1's collisions are no matter within an HMAC.
use data_encoding::BASE32_NOPAD;
use ring::hmac;
use std::fmt::Write;
use subtle::ConstantTimeEq;

/// Seconds of a step.
const STEP: i64 = 30;
/// Clocks may be so many steps apart.
const SKEW: i64 = 1;
/// RFC 4226 section 4 recommends 160 bits.
pub const SECRET_LEN: usize = 20;

/// The code of a step (RFC 4226 section 5.3).
fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 0xf);
    let word = mac[at..at + 4]
        .iter()
        .fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// The step around `now` (seconds since 1970) that this code belongs to. All steps are compared, in time that tells nothing.
pub fn step_of(secret: &[u8], given: &str, now: i64) -> Option<i64> {
    let at = now.div_euclid(STEP);
    (at - SKEW..=at + SKEW).fold(None, |found, step| {
        let equal = bool::from(code(secret, step).as_bytes().ct_eq(given.as_bytes()));
        if equal { Some(step) } else { found }
    })
}

/// The secret as people type it.
pub fn base32(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// What authenticator apps read from a picture (Key URI format): `otpauth://totp/Omniops:ada%40example.com?secret=…`.
pub fn uri(issuer: &str, account: &str, secret: &[u8]) -> String {
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a String can't fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
    };
    let (issuer, account) = (escaped(issuer), escaped(account));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period={STEP}",
        base32(secret)
    )
}

/// The code that an authenticator app shows at this moment; for tests.
pub fn code_at(secret_base32: &str, now: i64) -> Option<String> {
    let secret = BASE32_NOPAD.decode(secret_base32.as_bytes()).ok()?;
    Some(code(&secret, now.div_euclid(STEP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the SHA-1 rows, the last six of eight digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (now, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(secret, now / 30), wanted);
            assert_eq!(step_of(secret, wanted, now), Some(now / 30));
        }
    }

    #[test]
    fn a_code_is_good_for_its_step_and_its_neighbours() {
        let secret = b"12345678901234567890";
        let now = 1_234_567_890;
        let own = code(secret, now / 30);
        for (shift, good) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            assert_eq!(step_of(secret, &own, now + shift).is_some(), good, "{shift}");
        }
        for wrong in ["", "00592", "0059240", "००५९२४", "5924"] {
            assert_eq!(step_of(secret, wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn the_uri_names_issuer_and_account_and_nothing_breaks_out_of_it() {
        let uri = uri("Omniops", "ada+1@example.com?x=1&secret=A", b"12345678901234567890");
        assert!(uri.starts_with("otpauth://totp/Omniops:ada%2B1%40example.com%3Fx%3D1%26secret%3DA?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Omniops"));
        assert_eq!(
            code_at("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59).as_deref(),
            Some("287082")
        );
    }
}
