//! A proof of work instead of a puzzle: something that a browser does by itself in a moment, and a flood pays for each time.
//!
//! A challenge is a signed text that names the address it was given to, how much work it asks for, and when it ends. Its answer is
//! any number so that the SHA-256 of `challenge:number` begins with that many zero bits. Nothing is kept of a challenge; the id of
//! one that was answered is kept until it has ended, so that it is good once.
use sha2::{Digest, Sha256};
use std::time::Duration;

use crate::{
    Result,
    clock::Clock,
    secrets::{MasterKeys, Signer, random_bytes},
};

/// Zero bits of the least work: 16,384 tries on average, a fifth of a second in a browser.
const LEAST_BITS: u32 = 14;
/// Of the most: eight times as many.
const MOST_BITS: u32 = 17;
/// A challenge ends after this time.
pub(super) const LIFETIME: Duration = Duration::from_mins(5);
/// Longest answer that is looked at.
const MOST_CHARACTERS: usize = 1000;

/// What a challenge says, in [`Terms::LENGTH`] bytes: short, since each try hashes it.
#[derive(Debug, PartialEq, Eq)]
struct Terms {
    bits: u8,
    /// In seconds since 1970.
    ends: u32,
    id: [u8; 8],
    /// Of the address's group.
    address: [u8; 8],
}

impl Terms {
    const LENGTH: usize = 21;

    fn write(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [self.bits; Self::LENGTH];
        bytes[1..5].copy_from_slice(&self.ends.to_be_bytes());
        bytes[5..13].copy_from_slice(&self.id);
        bytes[13..].copy_from_slice(&self.address);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LENGTH {
            return None;
        }
        Some(Self {
            bits: bytes[0],
            ends: u32::from_be_bytes(bytes[1..5].try_into().ok()?),
            id: bytes[5..13].try_into().ok()?,
            address: bytes[13..].try_into().ok()?,
        })
    }
}

/// A few bytes that stand for an address.
fn digest(group: &str) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::digest(group.as_bytes()).into();
    let mut short = [0; 8];
    short.copy_from_slice(&hash[..8]);
    short
}

/// A challenge to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Zero bits.
    pub bits: u32,
    /// The text before the colon.
    pub text: String,
}

/// Gives challenges and checks answers.
pub(super) struct Challenges {
    signer: Signer,
    clock: Clock,
}

impl Challenges {
    pub fn new(masters: impl Into<MasterKeys>, clock: Clock) -> Self {
        Self {
            signer: Signer::new(masters, "proof of work"),
            clock,
        }
    }

    /// For the address `group`, with `effort` more than the least work.
    pub fn issue(&self, group: &str, effort: u32) -> Result<Challenge> {
        let bits = (LEAST_BITS + effort).min(MOST_BITS);
        let ends = (self.clock.now() + LIFETIME).unix_timestamp();
        let terms = Terms {
            bits: bits as u8,
            ends: u32::try_from(ends).unwrap_or(u32::MAX),
            id: random_bytes()?,
            address: digest(group),
        };
        let text = self.signer.seal(&terms.write());
        Ok(Challenge { bits, text })
    }

    /// The id of the challenge that `answer` (`challenge:number`) solves, if it was given to `group` and has not ended.
    pub fn check(&self, answer: &str, group: &str) -> Option<String> {
        let (text, number) = answer.rsplit_once(':')?;
        if answer.len() > MOST_CHARACTERS || number.parse::<u64>().is_err() {
            return None;
        }
        let terms = Terms::read(&self.signer.open(text)?)?;
        let stands = terms.address == digest(group) && i64::from(terms.ends) > self.clock.now().unix_timestamp();
        let solved = zero_bits(&Sha256::digest(answer.as_bytes())) >= u32::from(terms.bits);
        (stands && solved).then(|| hex::encode(terms.id))
    }
}

fn zero_bits(hash: &[u8]) -> u32 {
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    let next = hash.get(zeros).map_or(0, |byte| byte.leading_zeros());
    zeros as u32 * 8 + next
}

/// The first number that solves `challenge`: what the widget does, for tests and other clients.
pub fn solve(challenge: &str, bits: u32) -> Option<u64> {
    (0..u64::MAX).find(|number| zero_bits(&Sha256::digest(format!("{challenge}:{number}").as_bytes())) >= bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::{OffsetDateTime, macros::datetime};

    const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

    fn at(time: OffsetDateTime) -> Challenges {
        Challenges::new(b"master", Clock::fixed(time))
    }

    #[test]
    fn an_answer_is_good_for_its_challenge_its_address_and_its_time() {
        let challenge = at(NOON).issue("192.0.2.1", 0).unwrap();
        assert_eq!(challenge.bits, LEAST_BITS);
        let number = solve(&challenge.text, challenge.bits).unwrap();
        let answer = format!("{}:{number}", challenge.text);
        let id = at(NOON).check(&answer, "192.0.2.1").unwrap();
        assert_eq!(at(NOON).check(&answer, "192.0.2.1"), Some(id.clone()));
        assert_eq!(at(NOON).check(&answer, "192.0.2.2"), None);
        assert_eq!(at(NOON + LIFETIME).check(&answer, "192.0.2.1"), None);
        assert_eq!(
            Challenges::new(b"other", Clock::fixed(NOON)).check(&answer, "192.0.2.1"),
            None
        );
        // Numbers before the first that solves it do not.
        let wrong = format!("{}:{}", challenge.text, number.wrapping_sub(1));
        assert_eq!(at(NOON).check(&wrong, "192.0.2.1"), None);
        for nonsense in [
            "",
            ":",
            "1",
            "a.b:1",
            &format!("{answer} "),
            &format!("{}:{}", challenge.text, "1".repeat(2000)),
        ] {
            assert_eq!(at(NOON).check(nonsense, "192.0.2.1"), None, "{nonsense}");
        }
        let another = at(NOON).issue("192.0.2.1", 99).unwrap();
        assert!(another.bits == MOST_BITS && another.text != challenge.text);
    }
}
