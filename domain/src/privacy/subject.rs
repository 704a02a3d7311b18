//! Who a request is about: an e-mail address or a widget's session, in the form that they are compared in, and hashes that tell
//! nothing of them.
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::{
    Error, Result,
    people::check_email,
    secrets::{self, MasterKey, Secret},
};

/// Longest address before it is brought into its form.
const LONGEST: usize = 1000;

/// The person that a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Whoever gave this address, as [`email_key`] has it.
    Email(String),
    /// Whoever has this session.
    Session(Uuid),
}

impl Subject {
    /// Exactly one of the two.
    pub fn read(email: Option<&str>, session: Option<Uuid>) -> Result<Self> {
        match (email, session) {
            (Some(email), None) => match email_key(email) {
                Some(key) => Ok(Self::Email(key)),
                None => Err(Error::invalid("email", "must be an e-mail address")),
            },
            (None, Some(session)) => Ok(Self::Session(session)),
            (Some(_), Some(_)) => Err(Error::invalid("session_id", "give `email` or `session_id`, not both")),
            (None, None) => Err(Error::invalid("email", "give `email` or `session_id`")),
        }
    }

    /// `email` or `session`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Session(_) => "session",
        }
    }

    fn value(&self) -> String {
        match self {
            Self::Email(key) => key.clone(),
            Self::Session(session) => session.to_string(),
        }
    }
}

/// An address in the form in which two of them are compared: compatibility forms and case are one (NFKC, lower case), and the
/// domain is spelled as DNS has it. A tag (`+shop`) and dots stay: whether they lead to the same person is the mail server's to
/// know, and to forget too many is no better than to forget too few. None if it is no address.
pub fn email_key(address: &str) -> Option<String> {
    if address.len() > LONGEST {
        return None;
    }
    let folded: String = address
        .trim()
        .nfkc()
        .collect::<String>()
        .to_lowercase()
        .nfkc()
        .collect();
    let (local, domain) = folded.rsplit_once('@')?;
    let Ok(url::Host::Domain(domain)) = url::Host::parse(domain) else {
        return None;
    };
    let key = format!("{local}@{domain}");
    check_email(&key).is_ok().then_some(key)
}

/// The name of a session among those that were erased. Sessions are random numbers: a hash without a key tells nothing of them,
/// and still holds after the installation's key has changed.
pub fn session_hash(customer: Uuid, session: Uuid) -> Vec<u8> {
    secrets::sha256(format!("omniops erased session {customer} {session}").as_bytes())
}

/// Hashes subjects under a key of the installation, so that who has the hashes can't try addresses.
#[derive(Clone)]
pub struct SubjectKey {
    key: Secret,
    id: String,
}

impl SubjectKey {
    /// From one of the installation's master keys.
    pub fn new(master: &MasterKey) -> Self {
        Self {
            key: master.derive("subjects of erasures"),
            id: master.id().to_owned(),
        }
    }

    /// Names the master key, and tells nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// 32 bytes that name the subject of this customer.
    pub fn hash(&self, customer: Uuid, subject: &Subject) -> Vec<u8> {
        let named = format!("{customer} {} {}", subject.kind(), subject.value());
        secrets::hmac_sha256(&self.key, named.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_address_are_one() {
        for same in [
            "ada@mail.example",
            " Ada@MAIL.example ",
            "ada＠mail.example",
            "ａｄａ@mail.example",
            "ADA@Mail。example",
        ] {
            assert_eq!(email_key(same).as_deref(), Some("ada@mail.example"), "{same}");
        }
        assert_eq!(
            email_key("jörg@münchen.example"),
            email_key("JO\u{308}RG@xn--mnchen-3ya.example")
        );
        for other in ["ada+shop@mail.example", "a.da@mail.example", "ada@mail.example.org"] {
            assert_ne!(email_key(other).as_deref(), Some("ada@mail.example"));
            assert!(email_key(other).is_some(), "{other}");
        }
        for none in [
            "",
            "ada",
            "ada@",
            "@mail.example",
            "ada@mail",
            "a da@mail.example",
            "ada@127.0.0.1",
        ] {
            assert_eq!(email_key(none), None, "{none}");
        }
        assert_eq!(email_key(&format!("{}@mail.example", "a".repeat(2000))), None);
    }

    #[test]
    fn a_request_is_about_one_person() {
        let session = Uuid::from_u128(1);
        assert_eq!(Subject::read(None, Some(session)).unwrap(), Subject::Session(session));
        assert_eq!(
            Subject::read(Some("A@b.example"), None).unwrap(),
            Subject::Email("a@b.example".into())
        );
        for (email, session) in [
            (None, None),
            (Some("a@b.example"), Some(session)),
            (Some("nobody"), None),
        ] {
            assert_eq!(Subject::read(email, session).unwrap_err().code(), "invalid_request");
        }
    }

    #[test]
    fn a_hash_is_of_one_customer_one_subject_and_one_key() {
        let of = |master: &[u8]| SubjectKey::new(secrets::MasterKeys::from(master).present());
        let (key, other) = (of(b"master"), of(b"other"));
        let (ada, bob) = (
            Subject::Email("ada@b.example".into()),
            Subject::Email("bob@b.example".into()),
        );
        let (shop, market) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(key.hash(shop, &ada), key.hash(shop, &ada));
        for different in [key.hash(shop, &bob), key.hash(market, &ada), other.hash(shop, &ada)] {
            assert_ne!(key.hash(shop, &ada), different);
        }
        assert_ne!(key.id(), other.id());
        assert_ne!(session_hash(shop, shop), session_hash(market, shop));
    }
}
