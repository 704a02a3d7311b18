//! Tokens that stand in the configuration: the operator's and the scheduler's. While one is changed, the one before it is good as
//! well, so that processes and callers can change one after the other.
use secrecy::{ExposeSecret, SecretString};

use super::equal;

/// A token of the installation, and the one before it for as long as both are good.
#[derive(Clone, Debug)]
pub struct StandingToken {
    present: SecretString,
    before: Option<SecretString>,
}

impl StandingToken {
    /// `present` is what callers shall use, `before` what they may still use.
    pub fn new(present: SecretString, before: Option<SecretString>) -> Self {
        Self { present, before }
    }

    /// Whether it is `given`, in time that does not tell which of the two it is like.
    pub fn is(&self, given: &str) -> bool {
        let is = |token: &SecretString| equal(given, token.expose_secret());
        let before = self.before.as_ref().is_some_and(is);
        is(&self.present) | before
    }

    /// Whether `given` is the one that shall not be used any more.
    pub fn is_outgoing(&self, given: &str) -> bool {
        self.before
            .as_ref()
            .is_some_and(|token| equal(given, token.expose_secret()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_the_one_before_it_are_good_and_nothing_is_shown() {
        let (present, before) = ("the-present-token", "the-token-before");
        let token = StandingToken::new(present.into(), Some(before.into()));
        assert!(token.is(present) && token.is(before));
        assert!(!token.is("") && !token.is("the-present-toke"));
        assert!(token.is_outgoing(before) && !token.is_outgoing(present));
        assert!(!format!("{token:?}").contains("the-"));
        let alone = StandingToken::new(present.into(), None);
        assert!(alone.is(present) && !alone.is(before) && !alone.is(""));
    }
}
