//! What a stream entry says, and how it is spelled in Redis. The only place that knows the field names.

use redis::{Cmd, FromRedisValue, ParsingError, Value, from_redis_value, streams::StreamId};

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
    fn read(fields: impl IntoIterator<Item = (String, Value)>) -> Option<Self> {
        let (mut job, mut kind, mut customer, mut version) = (None, None, None, None);
        for (name, value) in fields {
            match name.as_str() {
                JOB => job = text(value),
                "kind" => kind = text(value),
                "customer" => customer = text(value),
                "version" => version = text(value),
                _ => {}
            }
        }
        Some(Self {
            job: job?,
            kind: kind?,
            customer: customer?,
            version: version?.parse().ok()?,
        })
    }
}

/// A delivered entry of the stream. It takes its texts out of the answer, where redis' own type copies each of them twice.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// None if it is none: whatever else was put on the stream must not keep the errands beside it from being read.
    pub(crate) errand: Option<Errand>,
}

impl FromRedisValue for Entry {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (id, fields): (String, Vec<Value>) = from_redis_value(value)?;
        let mut fields = fields.into_iter();
        let pairs = std::iter::from_fn(|| Some((fields.next()?, fields.next()?)));
        let named = pairs.filter_map(|(name, value)| Some((text(name)?, value)));
        Ok(Self {
            id,
            errand: Errand::read(named),
        })
    }
}

impl From<StreamId> for Entry {
    fn from(entry: StreamId) -> Self {
        Self {
            id: entry.id,
            errand: Errand::read(entry.map),
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
