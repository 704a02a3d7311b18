//! People: what visitors think of answers, and conversations that a person takes over from the bot.
//!
//! ```text
//! receive ─ a visitor's message that is for people, or that asks for one ─┐
//! handoff ─ the visitor's button, its withdrawal, waits that are over ────┼─▶ state ─▶ conversations, conversation_events, audit_logs
//! desk    ─ what people do: reply, take, release, close ──────────────────┘     │
//! follow  ◀─ rows, woken by announcements of the Bell                           └─▶ notify ─▶ mail, webhooks (jobs)
//! ```
//!
//! A conversation is `bot`, `waiting`, `human` or `closed`. What must stay true: every change of it goes through
//! [`state::step`], which locks the conversation's row, writes the event and the audit line in the same transaction, and
//! refuses what the states do not allow; whatever writes an event has locked the row before, so that the ids of one
//! conversation's events grow in the order of the commits. Nothing is sent in a request: what people are told is a job.
mod bell;
mod desk;
pub mod events;
mod feedback;
mod follow;
mod handoff;
mod inbox;
mod mail;
pub(crate) mod notify;
mod receive;
mod retention;
mod settings;
mod state;
pub mod webhooks;
mod wish;

pub use bell::Bell;
pub use desk::{Reply, close, release, reply, take, turn};
pub use events::{Event, Telling};
pub use feedback::{Feedback, MOST_RATINGS, rate};
pub use follow::Follower;
pub use handoff::{Request, ask, overdue, withdraw};
pub use inbox::{Conversation, Filter, Place, find, list};
pub use mail::{Mailer, Sent, send_waiting};
pub use notify::crawl_held;
pub use receive::{Received, Reception, Standing, offered, receive};
pub use retention::purge;
pub use settings::HandoffSettings;
pub(crate) use settings::check_email;
pub use state::State;
pub use wish::wants_person;
