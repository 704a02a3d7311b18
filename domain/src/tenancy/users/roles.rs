//! Roles: what a person may do, and for which customers. The one table is [`least_role`]; docs/API.md shows it to people.
use std::str::FromStr;
use uuid::Uuid;

use crate::{Error, Result, tenancy::Scope};

/// What a person may do for the customers within reach. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Works with content and conversations.
    Editor,
    /// Decides about credentials, domains, people and where data goes.
    Owner,
}

impl Role {
    const EACH: [Self; 3] = [Self::Viewer, Self::Editor, Self::Owner];

    /// The role's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::EACH.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| Error::invalid("role", "must be one of viewer, editor, owner"))
    }
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// What a key needs this scope for.
    Scope(Scope),
    /// The customers themselves: names, plans, settings as a whole.
    Customers,
    /// Keys of customers.
    Keys,
    /// People's accounts.
    Users,
}

/// The least role that may do this: the one table of what people may do. `writing` is every method but GET and HEAD. What concerns
/// the installation (queues, health, new customers) is for owners of the installation, whose reach is [`Reach::Everywhere`].
pub fn least_role(need: Need, writing: bool) -> Role {
    match (need, writing) {
        (Need::Keys | Need::Users | Need::Scope(Scope::All | Scope::Privacy), _)
        | (Need::Customers | Need::Scope(Scope::Domains | Scope::Webhooks | Scope::Shops), true) => Role::Owner,
        (Need::Customers | Need::Scope(_), false) => Role::Viewer,
        (Need::Scope(_), true) => Role::Editor,
    }
}

/// For whom a person may act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The installation with every customer, also those to come.
    Everywhere,
    /// These customers.
    Customers(Vec<Uuid>),
}

impl Reach {
    /// Whether this customer is within reach.
    pub fn covers(&self, customer: Uuid) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Customers(own) => own.contains(&customer),
        }
    }

    /// Whether whoever has this reach may decide about somebody with the other one: all of the other's customers are within it.
    /// Nobody's customers are nobody's to decide about, but for the installation's owners.
    pub fn rules(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everywhere, _) => true,
            (Self::Customers(_), Self::Everywhere) => false,
            (Self::Customers(own), Self::Customers(others)) => {
                !others.is_empty() && others.iter().all(|customer| own.contains(customer))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_look_editors_work_and_owners_decide() {
        let least = |scope, writing| least_role(Need::Scope(scope), writing);
        for scope in [
            Scope::Chat,
            Scope::Search,
            Scope::Jobs,
            Scope::Conversations,
            Scope::Settings,
        ] {
            assert_eq!((least(scope, false), least(scope, true)), (Role::Viewer, Role::Editor));
        }
        assert_eq!(
            (least(Scope::Privacy, false), least(Scope::Privacy, true)),
            (Role::Owner, Role::Owner)
        );
        for scope in [Scope::Domains, Scope::Webhooks, Scope::Shops] {
            assert_eq!((least(scope, false), least(scope, true)), (Role::Viewer, Role::Owner));
        }
        for need in [Need::Keys, Need::Users] {
            assert_eq!(
                (least_role(need, false), least_role(need, true)),
                (Role::Owner, Role::Owner)
            );
        }
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Owner);
        assert!("admin".parse::<Role>().is_err() && "Owner".parse::<Role>().is_err());
    }

    #[test]
    fn nobody_rules_over_more_than_the_own_customers() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of = |customers: &[Uuid]| Reach::Customers(customers.to_vec());
        assert!(Reach::Everywhere.rules(&Reach::Everywhere) && Reach::Everywhere.rules(&of(&[])));
        assert!(of(&[a, b]).rules(&of(&[b])) && of(&[a]).covers(a) && !of(&[a]).covers(b));
        for other in [Reach::Everywhere, of(&[a, b]), of(&[])] {
            assert!(!of(&[a]).rules(&other), "{other:?}");
        }
    }
}
