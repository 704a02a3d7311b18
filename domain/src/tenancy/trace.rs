//! Whether a transaction still goes on, seen from another connection.
//!
//! Who waits for an answer sends nothing. If the server is lost meanwhile, or the network between, nothing tells: no packet comes, and none is missed. A
//! job's statement may take as long as it needs, so its silence says nothing either. But its transaction holds a lock that nobody else wants, which other
//! connections see for as long as it goes on.
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

use super::{line::Line, tx::sql};
use crate::ids;

/// Between two looks at a transaction whose statement takes long. One that is missing twice is gone: the answer to its end may be on its way at the first.
const LOOK: Duration = Duration::from_secs(5);
/// Longest time of a look.
const ANSWER: Duration = Duration::from_secs(10);

/// A transaction's lock, and where it is looked for.
pub(super) struct Trace {
    key: i64,
    line: Arc<Line>,
}

impl Trace {
    /// A new one, to be looked for by `line`.
    pub fn new(line: Arc<Line>) -> Self {
        let (_, random) = ids::new_id().as_u64_pair();
        Self {
            key: random as i64,
            line,
        }
    }

    /// What the transaction's opening has to say.
    pub fn opening(&self) -> String {
        format!("SELECT pg_advisory_xact_lock_shared({})", self.key)
    }

    /// Waits until Postgres knows of no such transaction. A Postgres that does not say so may have it still.
    pub async fn gone(&self) {
        let mut missed = false;
        loop {
            sleep(LOOK).await;
            let missing = self.is_missing().await;
            if missing && missed {
                return;
            }
            missed = missing;
        }
    }

    async fn is_missing(&self) -> bool {
        const HELD: &str = "
            SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = $1";
        let held = self.line.query_all(sql(HELD, [self.key.into()]));
        matches!(timeout(ANSWER, held).await, Ok(Ok(held)) if held.is_empty())
    }
}
