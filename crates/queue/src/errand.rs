//! What a stream entry says, and how it is spelled in Redis. The only place that knows the field names.

use redis::{Cmd, streams::StreamId};

/// "Go and look at this job": enough to find the job in the ledger, and to count and route without looking.
///
/// A handler that needs the id of the stream entry asks apalis for the `TaskId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Key of the job in the ledger.
    pub job: String,
    /// Which handler does it.
    pub kind: String,
    /// Whose job it is.
    pub customer: String,
    /// Version of the job's payload when this was published; the ledger may hold a later one, never an earlier one.
    pub version: u32,
}

/// The field that names the job.
pub(crate) const JOB: &str = "job";

impl Errand {
    /// The command that appends this errand to the stream at `key`.
    pub(crate) fn append(&self, key: &str) -> Cmd {
        let mut xadd = redis::cmd("XADD");
        xadd.arg(key).arg("*");
        xadd.arg(JOB).arg(&self.job).arg("kind").arg(&self.kind);
        xadd.arg("customer")
            .arg(&self.customer)
            .arg("version")
            .arg(self.version);
        xadd
    }

    /// `None` when a field is missing or is not what it should be: such an entry was not written by [`Errand::append`].
    pub(crate) fn read(entry: &StreamId) -> Option<Self> {
        Some(Self {
            job: entry.get(JOB)?,
            kind: entry.get("kind")?,
            customer: entry.get("customer")?,
            version: entry.get("version")?,
        })
    }
}
