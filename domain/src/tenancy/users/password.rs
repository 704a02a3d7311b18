//! Passwords: what a new one must be, and argon2id off the async threads, for so many at once that logins can't exhaust memory.
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use std::{collections::HashSet, sync::Arc, sync::LazyLock, time::Duration};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::{Error, Result, error::Kind, secrets};

/// The OWASP Password Storage Cheat Sheet's first choice: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Characters of a new password, after normalisation. NIST SP 800-63B section 3.1.1.2 wants at least eight beside a second factor
/// and fifteen alone; ASVS 5.0 6.2.1 recommends twelve and more.
const SHORTEST: usize = 12;
/// Bounds the work of normalising.
const LONGEST: usize = 256;
/// Passwords of fewer different characters are patterns.
const DIFFERENT: usize = 5;

/// The commonest passwords that are long enough, and words that people lengthen with digits and signs.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("common_passwords.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// A password in the one form of its characters (NFKC), so that two keyboards that write it differently both open the account.
pub fn normal(password: &SecretString) -> SecretString {
    let text: String = password.expose_secret().nfkc().collect();
    text.into()
}

/// Refuses a new password that is easy to guess. `field` is its name in the contract.
pub fn check_new(password: &SecretString, email: &str, field: &str) -> Result<SecretString> {
    let password = normal(password);
    let text = password.expose_secret();
    let length = text.chars().count();
    let wrong = |reason: String| Err(Error::invalid(field, reason));
    if !(SHORTEST..=LONGEST).contains(&length) {
        return wrong(format!("must have {SHORTEST} to {LONGEST} characters, not {length}"));
    }
    let lower = text.to_lowercase();
    if lower.contains(email) || email.contains(&lower) {
        return wrong("must not be the e-mail address".into());
    }
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let different: HashSet<char> = lower.chars().collect();
    if COMMON.contains(lower.as_str()) || COMMON.contains(core) || different.len() < DIFFERENT {
        return wrong("is one of the first that anybody would guess".into());
    }
    Ok(password)
}

/// Hashes and checks passwords, some at a time; others wait, up to a bound. Cloning shares.
#[derive(Clone)]
pub struct Passwords {
    /// One permit for each that computes.
    running: Arc<Semaphore>,
    /// One permit for each that computes or waits.
    admitted: Arc<Semaphore>,
}

/// Those that wait for each one that computes; a wait of some seconds at the most.
const WAITING: usize = 32;

impl Passwords {
    /// At most `at_once` hashes are computed at the same time; each takes 19 MiB.
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once * (1 + WAITING))),
        }
    }

    /// The hash of a new password, as a PHC string; with the salt of this other one, if there is one.
    pub async fn hash(&self, password: SecretString, like: Option<String>) -> Result<String> {
        self.compute(move || {
            let bytes = password.expose_secret().as_bytes();
            let salt = like.as_deref().map(salt).transpose()?;
            let hash = match salt {
                Some(salt) => argon2()?.hash_password_with_salt(bytes, &salt),
                None => argon2()?.hash_password(bytes),
            };
            hash.map(|hash| hash.to_string()).map_err(failed)
        })
        .await
    }

    /// Which of these hashes the password has. Those of one salt take the work of one, and so does none at all: who asks can't tell
    /// by the time whether there is an account, or how many.
    pub async fn verify(&self, password: SecretString, hashes: Vec<String>) -> Result<Vec<bool>> {
        let password = normal(&password);
        self.compute(move || {
            let bytes = password.expose_secret().as_bytes();
            if hashes.is_empty() {
                return argon2()?.hash_password(bytes).map(|_| Vec::new()).map_err(failed);
            }
            let mut made: Vec<String> = Vec::new();
            let mut right = Vec::with_capacity(hashes.len());
            for hash in &hashes {
                if !made.iter().any(|other| work(other) == work(hash)) {
                    made.push(again(bytes, hash)?);
                }
                let same = made.iter().any(|other| secrets::equal(other, hash));
                right.push(same);
            }
            Ok(right)
        })
        .await
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let retry_after = Duration::from_secs(5);
        let busy = |_| {
            Error::new(
                Kind::Unavailable { retry_after },
                "busy",
                "too many log in at once; try again",
            )
        };
        let _admitted = self.admitted.clone().try_acquire_owned().map_err(busy)?;
        let closed = |e| Error::internal("waiting for a password's turn", e);
        let running = self.running.clone().acquire_owned().await.map_err(closed)?;
        // The permit goes with the work: a caller that leaves does not make room while its hash is still computed.
        let work = move || {
            let _running = running;
            work()
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Error::internal("computing a password's hash", e))?
    }
}

/// The password's hash with the salt and the parameters of `hash`.
fn again(password: &[u8], hash: &str) -> Result<String> {
    let parsed = PasswordHash::new(hash).map_err(failed)?;
    let params = Params::try_from(&parsed).map_err(failed)?;
    let salt = salt(hash)?;
    let made = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_with_salt(password, &salt);
    made.map(|made| made.to_string()).map_err(failed)
}

/// All of a hash but what the password makes of it.
fn work(hash: &str) -> &str {
    hash.rsplit_once('$').map_or(hash, |(work, _)| work)
}

fn salt(hash: &str) -> Result<Vec<u8>> {
    let salt = PasswordHash::new(hash).map_err(failed)?.salt;
    salt.map(|salt| salt.as_ref().to_vec())
        .ok_or_else(|| failed("it has no salt"))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::internal("a password's hash", error.to_string())
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|e| Error::internal("the parameters of argon2", e.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;

    fn refused(password: &str) -> Option<String> {
        let checked = check_new(&password.into(), "ada@example.com", "password");
        checked.err().map(|error| error.public_message().to_owned())
    }

    #[test]
    fn a_new_password_is_long_and_no_first_guess() {
        assert_eq!(refused("correct horse battery"), None);
        assert_eq!(refused("Kyrie-4711-eleison"), None);
        for (password, why) in [
            ("short", "must have 12 to 256 characters, not 5"),
            ("ada@example.com", "must not be the e-mail"),
            ("Ada@Example.com1", "must not be the e-mail"),
            ("Password12345!", "first that anybody"),
            ("qwertyuiop[]", "first that anybody"),
            ("123456789123", "first that anybody"),
            ("aaaaaaaaaaaa", "first that anybody"),
            ("ababababababab", "first that anybody"),
        ] {
            let told = refused(password).unwrap_or_else(|| panic!("{password} is taken"));
            assert!(told.contains(why) && !told.contains(password), "{password}: {told}");
        }
        assert!(refused(&"x1y2z3".repeat(43)).is_some());
        // Full-width letters are the same letters: no way around the list.
        assert!(refused("Ｐassword12345").is_some());
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_and_opens_for_its_password_in_every_form_of_its_characters() {
        let passwords = Passwords::new(2);
        let new = normal(&"caf\u{e9} \u{fb01}let".into());
        let hash = passwords.hash(new, None).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let same = "cafe\u{301} filet".into();
        assert_eq!(passwords.verify(same, vec![hash.clone()]).await.unwrap(), [true]);
        let other = passwords
            .hash("another kayak".into(), Some(hash.clone()))
            .await
            .unwrap();
        assert_eq!(work(&other), work(&hash), "one salt");
        let fresh = passwords.hash("another kayak".into(), None).await.unwrap();
        assert_ne!(work(&fresh), work(&hash));
        let all = || vec![hash.clone(), other.clone(), fresh.clone()];
        assert_eq!(
            passwords.verify("another kayak".into(), all()).await.unwrap(),
            [false, true, true]
        );
        assert_eq!(passwords.verify("cafe filet".into(), all()).await.unwrap(), [false; 3]);
        assert!(passwords.verify("cafe filet".into(), vec![]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_thousand_at_once_take_the_memory_of_a_few() {
        let passwords = Passwords::new(2);
        let all = join_all((0..1000).map(|n| passwords.verify(format!("guess {n}").into(), vec![]))).await;
        let busy = all
            .iter()
            .filter(|one| matches!(one, Err(error) if error.code() == "busy"))
            .count();
        assert_eq!(busy, 1000 - 2 * (1 + WAITING));
        assert_eq!(
            (
                passwords.running.available_permits(),
                passwords.admitted.available_permits()
            ),
            (2, 66)
        );
        assert!(passwords.hash("another one".into(), None).await.is_ok(), "room again");
    }
}
