//! A key's text: `omni_`, 43 random letters and digits (256 bits), and six for their checksum, as GitHub's tokens have them. The
//! prefix lets scanners of code and logs find a leaked key; the checksum tells a key from what only looks like one, so that a typing
//! error, or a guess of a scanner, costs no look into the database.
use secrecy::SecretString;

use crate::{Result, secrets};

/// What every key begins with.
pub const PREFIX: &str = "omni_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 43;
const CHECKSUM: usize = 6;

/// A new key's text.
pub fn make() -> Result<SecretString> {
    let mut text = String::with_capacity(PREFIX.len() + RANDOM + CHECKSUM);
    text.push_str(PREFIX);
    while text.len() < PREFIX.len() + RANDOM {
        let bytes = secrets::random_bytes::<64>()?;
        // 248 is the greatest multiple of 62 in a byte: what is above would make some digits likelier.
        let digits = bytes
            .iter()
            .filter(|byte| **byte < 248)
            .map(|byte| digit(u32::from(*byte)));
        text.extend(digits.take(PREFIX.len() + RANDOM - text.len()));
    }
    let sum = checksum(&text);
    text.push_str(&sum);
    Ok(text.into())
}

/// Whether this can be a key at all. Keys from before there was a checksum have 43 characters of base64 and none.
pub fn plausible(key: &str) -> bool {
    let Some(secret) = key.strip_prefix(PREFIX) else {
        return false;
    };
    match secret.len() {
        RANDOM => secret
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        length if length == RANDOM + CHECKSUM => key
            .split_at_checked(PREFIX.len() + RANDOM)
            .is_some_and(|(text, sum)| checksum(text) == sum),
        _ => false,
    }
}

/// The CRC-32 (ISO 3309) of the text in base 62, six digits.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [0u8; CHECKSUM].map(|_| {
        let last = digit(rest % 62);
        rest /= 62;
        last
    });
    digits.reverse();
    digits.iter().collect()
}

fn digit(n: u32) -> char {
    char::from(DIGITS[(n % 62) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_key_s_checksum_tells_it_from_what_only_looks_like_one() {
        let key = make().unwrap();
        let key = key.expose_secret();
        assert_eq!((key.len(), key.starts_with(PREFIX)), (54, true));
        assert!(key[PREFIX.len()..].bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(plausible(key));
        for at in PREFIX.len()..key.len() {
            let mut wrong = key.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert!(!plausible(std::str::from_utf8(&wrong).unwrap()), "{at}");
        }
        assert_ne!(make().unwrap().expose_secret(), key);
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_the_text_before_it() {
        // The check value of CRC-32 is that of `123456789`: 0xCBF43926 = 3421780262.
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum(""), "000000");
    }

    #[test]
    fn keys_from_before_the_checksum_are_still_looked_up_and_nothing_else_is() {
        let old = format!("omni_{}", secrets::token().unwrap());
        assert!(plausible(&old));
        let long = format!("{old}x");
        for wrong in [
            "omni_",
            "",
            "omni",
            &old[1..],
            &old[..47],
            &long,
            &format!("{old}äöü"),
            &format!("{}é", &old[..46]),
        ] {
            assert!(!plausible(wrong), "{wrong}");
        }
    }
}
