//! A chat model behind any endpoint that speaks `OpenAI`'s chat completions, as a stream that always ends in a clear state.
//!
//! ```text
//! Model::chat ─▶ breaker (may it be asked?) ─▶ tries with pauses (client, retry) ─▶ Answer: text, text, …, end (stream)
//!                                                                                     └ sse: bytes to events; chunk: events to meaning
//! ```
//! [`Prices`] and [`estimate`] say what an answer costs. Nothing here knows what the text is for.
//!
//! What must stay true:
//! - an [`Answer`] that ends without an error is complete: the provider said so. Cut, silent, unreadable and endless streams are errors;
//! - every wait has a limit, and so has every buffer, whatever the other side sends;
//! - dropping a future or an [`Answer`] closes its connection, which ends the provider's work;
//! - the key is sent to the base URL only, never along a redirect, and never stands in an error or a log.
mod chunk;
mod client;
mod error;
mod price;
mod request;
mod retry;
mod sse;
mod stream;
mod tokens;

pub use breaker::{Breaker, State};
pub use client::{Client, Limits, Model, Settings};
pub use error::{Error, Wait};
pub use price::{Price, PriceError, Prices};
pub use request::{Message, Request, Role};
pub use stream::{Answer, Ending, Usage};
pub use tokens::estimate;
