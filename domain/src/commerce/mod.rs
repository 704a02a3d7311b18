//! Shops that customers have connected: credentials, products as typed rows with pages in the index, and webhooks that say what has
//! changed.
//!
//! ```text
//! connections ── the crate `commerce` ── the shop
//!      ▲                 ▲
//! inbox: "look at 12" ─▶ sync job (worker) ─▶ products: rows ─▶ page: a text for the index ─▶ embed job
//! ```
//!
//! What must stay true: credentials leave the database for the shop that they belong to and for nothing else; a webhook is believed only after
//! its signature, and then only that something has changed: what it is now is read from the shop; prices and stock are answered from
//! rows and never from embedded text; every request to a shop goes through `egress`.
mod connections;
mod credentials;
mod due;
mod inbox;
mod listing;
mod page;
mod products;

pub use connections::{
    Connected, NewConnection, begin, connect, disconnect, end, fail, find, list, of_platform, open, probe,
};
pub use credentials::{Credentials, Platform};
pub use due::{plan, sync};
pub use inbox::{Received, Sender, Webhook, purge, receive};
pub use listing::{Product, Variant, get, search, variants};
pub use products::{Saved, forget, live, save, unseen};

pub use crate::jobs::SyncWork;
use crate::{Error, error::Kind};

/// What a shop's failure means for whoever waits for it.
pub fn failure(error: commerce::Error) -> Error {
    let (code, told) = (error.code(), error.to_string());
    match error {
        commerce::Error::Busy { retry_after } => Error::new(Kind::TooMany { retry_after }, code, told),
        error if error.may_pass() => Error::unavailable(code, told, error),
        _ => Error::conflict(code, told),
    }
}
