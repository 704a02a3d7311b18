//! What handlers take as parameters: credentials, bodies and pages of lists. The permission is the parameter: a handler
//! that takes a [`Caller`] with [`Jobs`] can't be reached without that scope.
mod admin;
mod body;
mod caller;
mod credential;
mod paging;
mod scheduler;
mod visitor;

pub use admin::{Admin, MetricsReader};
pub use body::Body;
pub use caller::{Caller, Chats, Conversations, Domains, Jobs, KeyHolder, Searches, Settings, Webhooks};
pub use credential::origin;
pub use paging::{List, Paging};
pub use scheduler::Scheduler;
pub use visitor::{Asker, Listener, Visitor};
