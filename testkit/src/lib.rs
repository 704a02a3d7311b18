//! What tests stand on: a real Postgres and Valkey of their own, customers and keys, real local sites, stub servers for
//! services outside of the machine, processes, and faults: servers that stop, freeze, fill up or forget, and wires that break.
//!
//! A missing need fails the test and names itself; nothing here skips. Panicking is right: this crate is a dev-dependency only.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test whose ground gives way must fail, and say where"
)]
mod catalogue;
mod closed;
mod faults;
mod kit;
mod local;
mod mailbox;
mod names;
mod obedient;
mod pages;
mod pooler;
mod process;
mod provider;
mod receiver;
mod schemathesis;
mod shop;
mod site;
mod wire;

pub use catalogue::{Catalogue, Owned, Table};
pub use closed::Closed;
pub use faults::{Backup, Frozen};
pub use kit::{ADMIN_TOKEN, CRON_SECRET, Kit, eventually, local_model, model, within};
pub use local_services::Server;
pub use mailbox::{Mail, Mailbox, Reception};
pub use migration::names as migrations;
pub use names::{NameServer, Names};
pub use netns_lab as netns;
pub use obedient::{Obedient, Orders};
pub use pages::{chunk, decision, embedded, json_ld, page};
pub use pooler::{Pooler, SESSIONS};
pub use process::{ENDING, Folder, Process, processes_in, program};
pub use provider::{Provider, Script};
pub use receiver::{Received, Receiver};
pub use schemathesis::schemathesis;
pub use shop::{Asked, KEY as SHOP_KEY, SECRET as SHOP_SECRET, Shop, TOKEN as SHOP_TOKEN};
pub use site::{Hit, Page, Site};
pub use wire::{Upstream, Wire};
