//! The one guarded HTTP client for every URL that a tenant, or a page, can influence.
//!
//! A crawler, a shop connector and a webhook sender fetch URLs that somebody else chose. [`Client`] sees to it that such a
//! URL leads to the public internet and nowhere else, and that the answer stays within bounds:
//!
//! - only `http` and `https`, no credentials in the URL, no local names ([`Guard::check`]);
//! - every address behind a name must be global ([`address`]), and the addresses that were checked are the ones connected to
//!   ([`guard`]): a name is resolved once per connection, inside the check;
//! - redirects are followed here, each hop checked like the first URL, with credentials left behind at the border;
//! - bodies are bounded by their *decompressed* size, with a clock on every read and on the whole.
//!
//! An operator opens a local place with an exact [`HostPort`] in [`Policy::allow`].
//!
//! What must stay true: no code path opens a connection without [`Guard`]; the library below follows no redirect and honours
//! no proxy. The crate knows nothing of its callers and reads no environment.

pub mod address;
mod body;
mod classify;
mod client;
mod connect;
mod dial;
mod error;
pub mod guard;
mod message;
mod policy;
pub mod proxy;
mod redirect;

pub use crate::{
    client::Client,
    error::{Error, Phase},
    guard::{Guard, Lookup, SystemLookup},
    message::{Hop, Method, Redirects, Request, Response},
    policy::{HostPort, HostPortError, Limits, Policy},
};

/// Makes *ring* the cryptography of this process's TLS, unless something else is already; call it as often as you like.
pub fn install_crypto() {
    // An error says that a provider is installed, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
