//! Privacy: what is known of a person can be handed out, forgotten, and stays forgotten.
//!
//! ```text
//! map       what every column holds; everything below goes by it
//! subject   who is meant: an address or a session, and their hashes
//! export    a copy of all that is held, at once or by a job
//! erase     one transaction, a signed receipt, a tombstone in the database and in a file
//! ending    the same for a customer as a whole
//! replay    after a restore: whoever was forgotten is forgotten again
//! retention how long everything stays by itself
//! consent   what a visitor has chosen
//! ```
//!
//! What must stay true: no log line, metric, receipt or audit line names a person; what is found is found under the customer's
//! row-level security; a person's receipt is outside of the database before the erasure is committed, and a customer's after that.
pub mod consent;
mod ending;
mod erase;
mod export;
mod find;
mod log;
pub mod map;
mod mentions;
mod receipt;
mod replay;
pub mod retention;
mod spots;
mod standing;
mod subject;

pub use consent::{Choices, PrivacySettings};
pub use erase::{Erased, MENTIONS};
pub use export::{Bounds, Copy, ExportJob, SCHEMA};
pub(crate) use find::alone_with;
pub use log::ErasureLog;
pub use receipt::{Seals, Tombstone};
pub use replay::{Replayed, receipts, replay_erasures, sync_log};
pub use standing::Standing;
pub use subject::{Subject, email_key, session_hash};

use crate::{config::Config, tenancy::Db};

/// What requests of people about themselves need. Cloning shares.
#[derive(Clone)]
pub struct Privacy {
    pub(crate) db: Db,
    pub(crate) seals: Seals,
    pub(crate) log: Option<ErasureLog>,
    pub(crate) bounds: Bounds,
}

impl Privacy {
    /// By the installation's configuration.
    pub fn new(db: Db, config: &Config) -> Self {
        Self {
            db,
            seals: Seals::new(&config.security.keys),
            log: config.privacy.erasure_log.clone().map(ErasureLog::at),
            bounds: Bounds::default(),
        }
    }

    /// The same with other bounds of copies.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// What a receipt says, if this installation has signed it.
    pub fn verify(&self, receipt: &str) -> Option<Tombstone> {
        self.seals.open(receipt)
    }

    /// Signs receipts and hashes subjects.
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// Where erasures are recorded outside of the database.
    pub fn log(&self) -> Option<&ErasureLog> {
        self.log.as_ref()
    }
}
