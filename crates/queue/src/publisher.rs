//! The publishing side: appends errands, over a link that mends itself.

use crate::{Config, Errand, Error, errand::JOB, scripts::TAKE_BACK};
use redis_link::Link;

/// Errands sent in one pipeline: enough that the round trip does not count, few enough that the answers of a busy server come
/// within the link's limit.
const BATCH: usize = 500;

/// Appends errands to one stream. Clones, and publishers made of clones of one link, share a connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    pub(crate) link: Link,
    pub(crate) key: String,
}

impl Publisher {
    /// Connects at the first use, so that a service can start while Redis is away.
    pub fn new(link: Link, stream: &str) -> Self {
        Self {
            link,
            key: Config::key(stream),
        }
    }

    /// The jobs whose errands are on the stream, waiting or held by workers, the oldest first and at most `most` of them: what a
    /// ledger need not publish again.
    pub async fn jobs(&self, most: usize) -> Result<Vec<String>, Error> {
        let mut range = redis::cmd("XRANGE");
        range.arg(&self.key).arg("-").arg("+").arg("COUNT").arg(most);
        // Read as they come: a map for every entry costs more than all the rest.
        let entries: Vec<(String, Vec<String>)> = range.query_async(&mut self.link.clone()).await?;
        Ok(entries.into_iter().filter_map(|(_, fields)| job_of(fields)).collect())
    }

    /// Deletes what no worker of `group` was given yet, and returns how much that was. A worker that is given an entry at the same moment
    /// runs it.
    pub async fn take_back(&self, group: &str) -> Result<u64, Error> {
        let mut call = TAKE_BACK.key(&self.key);
        call.arg(group);
        Ok(call.invoke_async(&mut self.link.clone()).await?)
    }

    /// Appends `errands` in order, in pipelines of 500. After an error it is unknown which of them were added, unless it is
    /// [`Error::Away`]: publish all of them again, since running an errand twice is harmless.
    pub async fn publish(&self, errands: &[Errand]) -> Result<(), Error> {
        for batch in errands.chunks(BATCH) {
            let mut pipeline = redis::Pipeline::with_capacity(batch.len());
            for errand in batch {
                pipeline.add_command(errand.append(&self.key)).ignore();
            }
            pipeline.query_async::<()>(&mut self.link.clone()).await?;
        }
        Ok(())
    }
}

/// The job that an entry's fields name: names and values in turns.
fn job_of(fields: Vec<String>) -> Option<String> {
    let mut fields = fields.into_iter();
    while let Some(name) = fields.next() {
        let value = fields.next()?;
        if name == JOB {
            return Some(value);
        }
    }
    None
}
