//! What handlers take as parameters: credentials, bodies and pages of lists. The permission is the parameter: a handler
//! that takes a [`Caller`] with [`Jobs`] can't be reached without that scope.
mod admin;
mod body;
mod caller;
mod cookie;
mod credential;
mod json;
mod paging;
mod scheduler;
mod shown;
mod signed;
mod steward;
mod visitor;
mod wiped;

pub use admin::{Admin, MetricsReader, peer};
pub use body::{Body, SecretBody};
pub use caller::{
    Caller, Chats, Conversations, Domains, Jobs, KeyHolder, Privacy, Searches, Settings, Shops, Webhooks,
};
pub use cookie::{from_own_page, set as session_cookie, token as session_token};
pub use credential::{Identity, Schemes, bearer, origin};
pub use paging::{List, Paging};
pub use scheduler::Scheduler;
pub use signed::{ShopifySignature, Untouched, WooCommerceSignature};
pub use steward::{ApiKeys, Person, Steward, Tenants, Users};
pub use visitor::{Asker, Listener, Visitor};
