//! Customers, their domains and keys, and the two ways into the database.
mod assistant;
mod customers;
mod domains;
mod keys;
mod principal;
mod proof;
mod tx;
mod visitors;

pub use assistant::{ANY_LANGUAGE, AssistantSettings, SUGGESTIONS, Tone, change_settings};
pub use customers::{Customer, NewCustomer, create, delete, find_by_host, get, list, rename, settings};
pub use domains::{
    DomainRecord, HostName, Proof, add_domain, assign_domain, list_domains, mark_verified, own_domain, own_hosts,
    verified_hosts,
};
pub use keys::{IssuedKey, KeyRecord, NewKey, authenticate, issue, list_keys, revoke, rotate};
pub use principal::{Principal, Scope};
pub use proof::prove;
pub(crate) use tx::sql;
pub use tx::{Commit, Db, SystemTx, TenantTx};
pub use visitors::{VisitorSession, VisitorTokens};
