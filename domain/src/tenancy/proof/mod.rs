//! Proving a domain: its owner publishes the claim's token, we look. By DNS, or on the site itself through the guarded client.
//!
//! Three answers are told apart, since a proof is looked at again and again: it is there, it is not there, or nobody knows. Only a
//! place that answered can say that it is not there; a server that is away, slow or refuses us says nothing.
mod dns;
mod site;

use url::Host;

use super::{DomainRecord, HostName, Proof};
use crate::{Error, Result, config::Config};

pub use dns::Names;

/// What stands before the token where a place has room for other texts as well.
const MARK: &str = "omniops-verification";

/// What one place says about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Shown,
    Absent(String),
    Unknown(String),
}

/// What all places together say about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The token is there.
    Shown(Proof),
    /// The place that showed it before answers, and no place has it.
    Absent(String),
    /// Nobody knows for now.
    Unknown(String),
}

/// Looks for tokens. Cloning shares.
#[derive(Clone)]
pub struct Prover {
    client: egress::Client,
    names: Names,
}

impl Prover {
    /// A prover that reads sites through `client`.
    pub fn new(config: &Config, client: egress::Client) -> Self {
        Self {
            client,
            names: Names::new(&config.edge.dns_servers),
        }
    }

    /// How the domain proves itself now; a conflict that says what was found if it does not.
    pub async fn prove(&self, record: &DomainRecord) -> Result<Proof> {
        let mut found = Vec::new();
        for place in [Proof::Dns, Proof::File, Proof::Meta] {
            match self.look(record, place).await? {
                Finding::Shown => return Ok(place),
                Finding::Absent(told) | Finding::Unknown(told) => found.push(told),
            }
        }
        let told = format!("{} does not show the token: {}", record.host, found.join("; "));
        Err(Error::conflict("domain_not_proved", told))
    }

    /// Whether a proof is still there, or another one in its place.
    pub async fn check(&self, record: &DomainRecord) -> Verdict {
        let looked = self.look_around(record).await;
        looked.unwrap_or_else(|error| Verdict::Unknown(error.public_message().to_owned()))
    }

    async fn look_around(&self, record: &DomainRecord) -> Result<Verdict> {
        let first = match record.method.as_deref() {
            Some("dns") => Proof::Dns,
            Some("file") => Proof::File,
            _ => Proof::Meta,
        };
        let now = self.look(record, first).await?;
        if now == Finding::Shown {
            return Ok(Verdict::Shown(first));
        }
        for other in [Proof::Dns, Proof::File, Proof::Meta]
            .into_iter()
            .filter(|p| *p != first)
        {
            if self.look(record, other).await? == Finding::Shown {
                return Ok(Verdict::Shown(other));
            }
        }
        Ok(match now {
            Finding::Absent(told) => Verdict::Absent(told),
            Finding::Unknown(told) => Verdict::Unknown(told),
            Finding::Shown => Verdict::Shown(first),
        })
    }

    async fn look(&self, record: &DomainRecord, place: Proof) -> Result<Finding> {
        let host: HostName = record.host.parse()?;
        Ok(match (place, host.host()) {
            (Proof::Dns, Host::Domain(name)) => self.names.shows(name, &record.token).await,
            (Proof::Dns, _) => Finding::Absent("an address has no TXT record".into()),
            (Proof::File, _) => site::file_shows(&self.client, &host, &record.token).await,
            (Proof::Meta, _) => site::page_shows(&self.client, &host, &record.token).await,
            (Proof::Operator, _) => Finding::Unknown("the operator vouches for it".into()),
        })
    }
}

/// Whether a line or a record is the proof: the token with its mark, or (in a file of our own name) alone.
fn is_marked(text: &str, token: &str) -> bool {
    let marked = text.trim().split_once('=');
    marked.is_some_and(|(mark, rest)| mark.trim().eq_ignore_ascii_case(MARK) && rest.trim() == token)
}

#[cfg(test)]
mod tests {
    use super::is_marked;

    #[test]
    fn a_token_counts_whole_and_under_our_mark() {
        for text in ["omniops-verification=t0k", " Omniops-Verification = t0k "] {
            assert!(is_marked(text, "t0k"), "{text}");
        }
        for text in [
            "t0k",
            "other-verification=t0k",
            "omniops-verification=t0k2",
            "omniops-verification=",
            "x omniops-verification=t0k",
        ] {
            assert!(!is_marked(text, "t0k"), "{text}");
        }
    }
}
