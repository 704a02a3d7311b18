//! Which limits a request is held against: by what it asks for, and by who asks.
//!
//! | class | visitor | API key | admin, user | anybody else |
//! |---|---|---|---|---|
//! | `session` | | | | `session-ip` |
//! | `chat` | `chat-domain`, `chat-session`, `chat-ip` | `chat-key` | `chat-key` | `credential-ip` |
//! | `scrape`, `embed`, `sync`, `batch` | `visitor-…` | `scrape`, `embed`, `sync`, `batch` by customer | the same | `credential-ip` |
//! | `login` | | | | `login-ip` |
//! | `read` | `visitor-session`, `visitor-ip` | `read-key` | `read` | `credential-ip` |
//! | `change` | `visitor-session`, `visitor-ip` | `change-key` | `change` | `credential-ip` |
//! | `page` | `page-ip` | `page-ip` | `page-ip` | `page-ip` |
//! | `probe` | | | | `probe-ip`, in the process alone |
//! | `webhook` | `webhook-ip` | `webhook-ip` | `webhook-ip` | `webhook-ip` |
//!
//! `domain` is the customer, whose money answers cost. Each `…-ip` of an address of IPv6 has a `…-site` beside it, of the /48 around it.
use limits::{Limit, Rate};
use std::fmt::Display;
use uuid::Uuid;

use super::{OF_SITE, site};
use crate::config::Rates;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A visitor's session.
    Session,
    /// An answer.
    Chat,
    /// A crawl.
    Scrape,
    /// Vectors.
    Embed,
    /// A shop's products.
    Sync,
    /// Many questions at once.
    Batch,
    /// To be let in with a password.
    Login,
    /// To see something.
    Read,
    /// To change something.
    Change,
    /// To be told what has happened in a shop. Comes from few addresses for all customers, so these are not blocked for much of it.
    Webhook,
    /// A page for anybody that names a customer, whom the database is asked for.
    Page,
    /// Whether the process lives. Needs no other service, and is counted without one.
    Probe,
}

impl Class {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Chat => "chat",
            Self::Scrape => "scrape",
            Self::Embed => "embed",
            Self::Sync => "sync",
            Self::Batch => "batch",
            Self::Login => "login",
            Self::Read => "read",
            Self::Change => "change",
            Self::Webhook => "webhook",
            Self::Page => "page",
            Self::Probe => "probe",
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody without a credential, or with one that is not valid.
    Stranger,
    /// A visitor within a session.
    Visitor {
        /// Whose site it is.
        customer: Uuid,
        /// The session.
        session: Uuid,
    },
    /// An API key.
    Key {
        /// What names it.
        actor: String,
        /// Whose it is.
        customer: Uuid,
    },
    /// A person who administers, the admin token, or the scheduler outside.
    User {
        /// What names it.
        actor: String,
        /// For whom it acts.
        customer: Option<Uuid>,
    },
}

impl Who {
    /// Whether only an address tells who it is.
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Stranger | Self::Visitor { .. })
    }
}

/// The limits for this request; those by address only if it has one that counts.
pub(super) fn limits(rates: &Rates, class: Class, who: &Who, address: Option<&str>) -> Vec<Limit> {
    let by = |name: &'static str, rate: Rate, whom: &dyn Display| Limit {
        name,
        key: format!("{name}:{whom}"),
        rate,
        by_address: false,
    };
    let by_address = |name: &'static str, of_site: &'static str, rate: Rate| -> Vec<Limit> {
        let of = |name, rate, whom: &str| Limit {
            by_address: true,
            ..by(name, rate, &whom)
        };
        let all = Rate::of(rate.quota().saturating_mul(OF_SITE), rate.period().as_secs());
        let site = address.and_then(site).map(|site| of(of_site, all, &site));
        address
            .map(|address| of(name, rate, address))
            .into_iter()
            .chain(site)
            .collect()
    };
    let work = |name, rate| match who {
        Who::Key { customer, .. }
        | Who::User {
            customer: Some(customer),
            ..
        } => vec![by(name, rate, customer)],
        Who::User { actor, .. } => vec![by(name, rate, actor)],
        Who::Stranger | Who::Visitor { .. } => Vec::new(),
    };
    match (class, who) {
        (Class::Probe, _) => by_address("probe-ip", "probe-site", rates.probe_ip),
        (Class::Webhook, _) => by_address("webhook-ip", "webhook-site", rates.webhook_ip),
        (Class::Page, _) => by_address("page-ip", "page-site", rates.visitor_ip),
        (Class::Session, _) => by_address("session-ip", "session-site", rates.session_ip),
        (Class::Login, _) => by_address("login-ip", "login-site", rates.login_ip),
        (_, Who::Stranger) => by_address("credential-ip", "credential-site", rates.credential_ip),
        (Class::Chat, Who::Visitor { customer, session }) => [
            by("chat-domain", rates.chat_domain, customer),
            by("chat-session", rates.chat_session, session),
        ]
        .into_iter()
        .chain(by_address("chat-ip", "chat-site", rates.chat_ip))
        .collect(),
        (_, Who::Visitor { session, .. }) => [by("visitor-session", rates.visitor_session, session)]
            .into_iter()
            .chain(by_address("visitor-ip", "visitor-site", rates.visitor_ip))
            .collect(),
        (Class::Chat, Who::Key { actor, .. } | Who::User { actor, .. }) => vec![by("chat-key", rates.chat_key, actor)],
        (Class::Scrape, _) => work("scrape", rates.scrape),
        (Class::Embed, _) => work("embed", rates.embed),
        (Class::Sync, _) => work("sync", rates.sync),
        (Class::Batch, _) => work("batch", rates.batch),
        (Class::Read, Who::Key { actor, .. }) => vec![by("read-key", rates.read_key, actor)],
        (Class::Read, Who::User { actor, .. }) => vec![by("read", rates.read, actor)],
        (Class::Change, Who::Key { actor, .. }) => vec![by("change-key", rates.change_key, actor)],
        (Class::Change, Who::User { actor, .. }) => vec![by("change", rates.change, actor)],
    }
}

/// Whose limit it is, for people.
pub(super) fn whose(name: &str) -> &'static str {
    match name {
        "chat-domain" => "for this site's chat",
        "chat-session" | "visitor-session" => "for this session",
        "chat-key" | "read-key" | "change-key" => "for this key",
        "scrape" => "of crawls for this customer",
        "embed" => "of embedding jobs for this customer",
        "sync" => "of synchronisations for this customer",
        "batch" => "of many questions at once for this customer",
        "read" | "change" => "for this credential",
        "login-ip" => "of logins from this address",
        "credential-ip" => "without a valid credential from this address",
        "login-site" => "of logins from this network",
        "credential-site" => "without a valid credential from this network",
        name if name.ends_with("-site") => "from this network",
        _ => "from this address",
    }
}

/// Whether what is left of a limit is this caller's own affair, and not how busy a whole site, or a whole network, is.
pub(super) fn is_own(name: &str) -> bool {
    name != "chat-domain" && !name.ends_with("-site")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LimitsConfig, Reader};
    use std::collections::BTreeMap;

    fn rates() -> Rates {
        let none = BTreeMap::new();
        LimitsConfig::read(&mut Reader::new(&none)).rates
    }

    fn shown(class: Class, who: &Who) -> String {
        let of = limits(&rates(), class, who, Some("192.0.2.1"));
        let each = of.iter().map(|limit| {
            format!(
                "{}={}{}",
                limit.key,
                limit.rate,
                if limit.by_address { "!" } else { "" }
            )
        });
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_class_has_the_limits_of_the_operations_guide() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let visitor = Who::Visitor {
            customer: one,
            session: two,
        };
        let key = Who::Key {
            actor: "key:k".into(),
            customer: one,
        };
        let admin = Who::User {
            actor: "admin".into(),
            customer: Some(one),
        };
        assert_eq!(
            shown(Class::Chat, &visitor),
            format!("chat-domain:{one}=60/60s chat-session:{two}=100/900s chat-ip:192.0.2.1=30/60s!")
        );
        assert_eq!(shown(Class::Chat, &key), "chat-key:key:k=600/60s");
        for who in [&key, &admin] {
            assert_eq!(shown(Class::Scrape, who), format!("scrape:{one}=10/3600s"));
            assert_eq!(shown(Class::Embed, who), format!("embed:{one}=1000/3600s"));
            assert_eq!(shown(Class::Sync, who), format!("sync:{one}=60/3600s"));
            assert_eq!(shown(Class::Batch, who), format!("batch:{one}=30/3600s"));
        }
        assert_eq!(shown(Class::Login, &Who::Stranger), "login-ip:192.0.2.1=10/900s!");
        assert_eq!(shown(Class::Change, &admin), "change:admin=50/900s");
        assert_eq!(shown(Class::Read, &admin), "read:admin=1200/900s");
        assert_eq!(shown(Class::Read, &key), "read-key:key:k=600/60s");
        assert_eq!(shown(Class::Session, &Who::Stranger), "session-ip:192.0.2.1=30/60s!");
        assert_eq!(shown(Class::Webhook, &Who::Stranger), "webhook-ip:192.0.2.1=600/60s!");
        assert_eq!(shown(Class::Page, &Who::Stranger), "page-ip:192.0.2.1=120/60s!");
        assert_eq!(shown(Class::Change, &Who::Stranger), "credential-ip:192.0.2.1=30/60s!");
    }

    const CLASSES: [Class; 12] = [
        Class::Session,
        Class::Chat,
        Class::Scrape,
        Class::Embed,
        Class::Sync,
        Class::Batch,
        Class::Login,
        Class::Read,
        Class::Change,
        Class::Webhook,
        Class::Page,
        Class::Probe,
    ];

    fn everybody() -> [Who; 4] {
        [
            Who::Stranger,
            Who::Visitor {
                customer: Uuid::nil(),
                session: Uuid::nil(),
            },
            Who::Key {
                actor: "key".into(),
                customer: Uuid::nil(),
            },
            Who::User {
                actor: "admin".into(),
                customer: None,
            },
        ]
    }

    #[test]
    fn networks_of_one_site_have_limits_together() {
        let of = |class, who: &Who, address| limits(&rates(), class, who, Some(address));
        let login = of(Class::Login, &Who::Stranger, "2001:db8:1:2::/64");
        let shown: Vec<String> = login
            .iter()
            .map(|limit| format!("{}={}", limit.key, limit.rate))
            .collect();
        assert_eq!(
            shown,
            [
                "login-ip:2001:db8:1:2::/64=10/900s",
                "login-site:2001:db8:1::/48=160/900s"
            ]
        );
        for class in CLASSES {
            for who in everybody() {
                let sites = |address| {
                    let all = of(class, &who, address).into_iter().filter(|limit| limit.by_address);
                    let (own, others): (Vec<_>, Vec<_>) = all.partition(|limit| is_own(limit.name));
                    (own.len(), others.len())
                };
                let (own, others) = sites("2001:db8:1:2::/64");
                assert_eq!(
                    own, others,
                    "{class:?} {who:?}: each limit by address has one of its site"
                );
                assert_eq!(sites("192.0.2.1"), (own, 0), "{class:?} {who:?}");
            }
        }
    }

    #[test]
    fn whoever_asks_for_whatever_is_held_against_something() {
        for class in CLASSES {
            for who in &everybody() {
                assert!(
                    !limits(&rates(), class, who, Some("192.0.2.1")).is_empty(),
                    "{class:?} {who:?}"
                );
            }
        }
    }
}
