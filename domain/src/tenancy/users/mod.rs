//! People who administer: accounts with roles, logins with a second factor, sessions, and what slows guessing down.
//!
//! [`Accounts`] is the one door. What must stay true: passwords, tokens and codes are kept as hashes, secrets of second factors
//! sealed, and none of them is ever printed; a session ends with everything that changes what its user may do; every deed and its
//! audit line are one transaction; an account that does not exist answers like one that does, after the same work.
mod attempts;
mod login;
mod manage;
mod password;
mod roles;
mod second_factor;
mod session;
mod totp;

use uuid::Uuid;

use super::Db;
use crate::{
    Error, Result,
    clock::Clock,
    config::{AccountsConfig, Config},
    error::Kind,
    secrets::{Envelopes, Signer},
};
use attempts::Attempts;
use password::Passwords;

pub use login::{Credentials, Login};
pub use manage::{NewUser, UserChange, UserRecord};
pub use roles::{Need, Reach, Role, least_role};
pub use second_factor::Enrolment;
pub use session::{NewSession, SignedIn};
pub use totp::code_at;

/// Everything that has to do with people's accounts. Cloning shares.
#[derive(Clone)]
pub struct Accounts {
    db: Db,
    clock: Clock,
    config: AccountsConfig,
    passwords: Passwords,
    attempts: Attempts,
    /// Binds tokens against cross-site requests to their session.
    csrf: Signer,
    /// Signs what stands between the password and the code.
    challenges: Signer,
    /// Keeps the secrets of second factors.
    envelopes: Envelopes,
}

impl Accounts {
    /// The accounts of an installation.
    pub fn new(db: Db, config: &Config, clock: Clock) -> Self {
        let keys = &config.security.keys;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            passwords: Passwords::new(cores.min(4)),
            attempts: Attempts::new(db.clone(), keys, config.accounts.clone()),
            csrf: Signer::new(keys, "admin session against cross-site requests"),
            challenges: Signer::new(keys, "login with a second factor"),
            envelopes: Envelopes::new(keys),
            config: config.accounts.clone(),
            db,
            clock,
        }
    }
}

/// As the audit log names a user.
fn actor(user: Uuid) -> String {
    format!("user:{user}")
}

/// An e-mail address in the form that accounts are found by.
fn email(text: &str) -> Result<String> {
    use unicode_normalization::UnicodeNormalization;
    let email: String = text.trim().nfkc().collect::<String>().to_lowercase();
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"@".contains(c))
    };
    let fits = email.len() <= 254
        && email
            .split_once('@')
            .is_some_and(|(name, host)| plain(name) && plain(host));
    if fits {
        Ok(email)
    } else {
        Err(Error::invalid("email", "must be an e-mail address"))
    }
}

/// One answer to every login that fails, whatever the reason.
fn refused() -> Error {
    let message = "the e-mail address, the password or the code is wrong";
    Error::new(Kind::Unauthorized, "invalid_login", message)
}

#[cfg(test)]
mod tests {
    use super::email;

    #[test]
    fn an_address_has_one_form_and_no_header_in_it() {
        assert_eq!(email(" Ada@Example.COM ").unwrap(), "ada@example.com");
        assert_eq!(email("ａda@example.com").unwrap(), "ada@example.com");
        for wrong in [
            "ada",
            "@",
            "ada@",
            "a b@c",
            "a@b@c",
            "a@b\r\nBcc: x@y",
            "<a@b>",
            "a\u{7}@b",
            &format!("{}@b", "a".repeat(260)),
        ] {
            assert!(email(wrong).is_err(), "{wrong:?}");
        }
    }
}
