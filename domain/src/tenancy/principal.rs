//! Who is asking, and what they may do.
use std::str::FromStr;
use uuid::Uuid;

use super::{Customer, Need, Reach, SignedIn, VisitorSession};
use crate::{Error, Result, error::Kind};

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything a key can.
    All,
    /// Ask questions and read conversations.
    Chat,
    /// Search and read pages.
    Search,
    /// Start and control jobs.
    Jobs,
    /// Change domains.
    Domains,
    /// Read all conversations, and answer as a person.
    Conversations,
    /// Say where to be told what happens.
    Webhooks,
    /// Read and change the assistant's settings.
    Settings,
    /// Hand out and erase what is held about a person.
    Privacy,
    /// Connect shops.
    Shops,
}

impl Scope {
    const EACH: [Self; 10] = [
        Self::All,
        Self::Chat,
        Self::Search,
        Self::Jobs,
        Self::Domains,
        Self::Conversations,
        Self::Webhooks,
        Self::Settings,
        Self::Privacy,
        Self::Shops,
    ];

    /// The scope's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::Chat => "chat",
            Self::Search => "search",
            Self::Jobs => "jobs",
            Self::Domains => "domains",
            Self::Conversations => "conversations",
            Self::Webhooks => "webhooks",
            Self::Settings => "settings",
            Self::Privacy => "privacy",
            Self::Shops => "shops",
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = || Self::EACH.map(Self::as_str).join(", ");
        Self::EACH
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| Error::invalid("scopes", format!("`{text}` is none of {}", known())))
    }
}

/// Who is asking.
#[derive(Clone, Debug)]
pub enum Principal {
    /// An operator with the admin token.
    Admin,
    /// A person who has logged in.
    User(Box<SignedIn>),
    /// An integrator with an API key.
    Key {
        /// The key.
        id: Uuid,
        /// Whose it is.
        customer: Customer,
        /// What it may do.
        scopes: Vec<Scope>,
    },
    /// A visitor with a widget session.
    Visitor(VisitorSession),
}

impl Principal {
    /// Refuses unless `scope` is granted; for people, unless their role may do what needs it. The operator may do everything; visitors have
    /// no scopes.
    pub fn require(&self, scope: Scope, writing: bool) -> Result<()> {
        let granted = match self {
            Self::Admin => true,
            Self::User(who) => return who.require(Need::Scope(scope), writing),
            Self::Key { scopes, .. } => scopes.contains(&scope) || scopes.contains(&Scope::All),
            Self::Visitor(_) => false,
        };
        let refused = || {
            Error::new(
                Kind::Forbidden,
                "missing_scope",
                format!("this needs the scope `{}`", scope.as_str()),
            )
        };
        if granted { Ok(()) } else { Err(refused()) }
    }

    /// For whom an administrator may act: everybody for the operator; nothing for keys and visitors, who are no administrators.
    pub fn reach(&self) -> Option<&Reach> {
        match self {
            Self::Admin => Some(&Reach::Everywhere),
            Self::User(who) => Some(&who.reach),
            Self::Key { .. } | Self::Visitor(_) => None,
        }
    }

    /// Whether it is the operator, or a person who owns the installation.
    pub fn rules_installation(&self) -> bool {
        match self {
            Self::Admin => true,
            Self::User(who) => who.rules_installation(),
            Self::Key { .. } | Self::Visitor(_) => false,
        }
    }

    /// A short name for the audit log.
    pub fn actor(&self) -> String {
        match self {
            Self::Admin => "admin".into(),
            Self::User(who) => format!("user:{}", who.user),
            Self::Key { id, .. } => format!("key:{id}"),
            Self::Visitor(_) => "visitor".into(),
        }
    }
}
