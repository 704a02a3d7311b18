//! Customers, their domains and keys, the people who administer them, and the two ways into the database.
mod assistant;
mod checks;
mod columns;
mod customers;
mod domains;
mod hosts;
mod keys;
mod line;
mod measures;
mod principal;
mod proof;
mod session;
mod trace;
mod tx;
mod users;
mod visitors;

pub use assistant::{ANY_LANGUAGE, AssistantSettings, SUGGESTIONS, Tone, change_settings};
pub use checks::{Checked, check_due, settle};
pub(crate) use columns::{columns, columns_as};
pub(crate) use customers::remove;
pub use customers::{Customer, NewCustomer, create, find_by_host, find_named, get, list, rename, settings};
pub use domains::{
    DomainRecord, Proof, add_domain, assign_domain, claim_domain, list_domains, mark_verified, own_domain, own_hosts,
    remove_domain, verified_hosts, verify_domain,
};
pub use hosts::{HostName, Origin};
pub use keys::{
    IssuedKey, KeyRecord, NewKey, OVERLAP, OVERLAP_MOST, authenticate, authenticate_from, issue, list_keys, revoke,
    rotate,
};
pub use principal::{Principal, Scope};
pub use proof::{Prover, Verdict};
pub use session::Session;
pub(crate) use tx::sql;
pub use tx::{Commit, Db, SystemTx, TenantTx};
pub use users::{
    Accounts, Credentials, Enrolment, Login, Need, NewSession, NewUser, Reach, Role, SignedIn, UserChange, UserRecord,
    code_at, least_role,
};
pub use visitors::{VisitorSession, VisitorTokens, moment as visitor_moment};
