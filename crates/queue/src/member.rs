//! One consumer of a group, and every command it sends about the entries it holds. No state of its own: `book` knows what this
//! process holds, `reader` and `keeper` decide when to ask.

use crate::{
    config::Config,
    errand::Entry,
    scripts::{FORGET, HAND_BACK, JOIN, RENEW, SETTLE},
};
use redis::{RedisResult, Script, ScriptInvocation, aio::MultiplexedConnection, streams::StreamAutoClaimReply};
use redis_link::{Address, Limits};
use std::time::Duration;

/// Where an XAUTOCLAIM pass starts, and what it answers when it is through.
pub(crate) const PASS_START: &str = "0-0";

pub(crate) struct Member {
    address: Address,
    key: String,
    group: String,
    consumer: String,
}

impl Member {
    /// The consumer's name is new at every start, so that no worker inherits or deletes what another one holds.
    pub(crate) fn new(address: Address, config: &Config) -> Self {
        Self {
            address,
            key: Config::key(&config.stream),
            group: config.group.clone(),
            consumer: uuid::Uuid::now_v7().to_string(),
        }
    }

    /// A connection to a stream whose group exists. It is made again here after a FLUSHALL.
    pub(crate) async fn connect(&self, answer_within: Duration) -> RedisResult<MultiplexedConnection> {
        let limits = Limits {
            answer: answer_within,
            ..Limits::default()
        };
        let mut conn = self.address.dedicated(limits).await?;
        JOIN.key(&self.key)
            .arg(&self.group)
            .invoke_async::<()>(&mut conn)
            .await?;
        Ok(conn)
    }

    /// Waits up to `block` for entries that nobody was given yet, and takes at most `count`.
    pub(crate) async fn read(
        &self,
        conn: &mut MultiplexedConnection,
        count: usize,
        block: Duration,
    ) -> RedisResult<Vec<Entry>> {
        // BLOCK 0 would wait for ever.
        let block = (block.as_millis() as u64).max(1);
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(&self.group).arg(&self.consumer);
        read.arg("COUNT")
            .arg(count)
            .arg("BLOCK")
            .arg(block)
            .arg("STREAMS")
            .arg(&self.key)
            .arg(">");
        let answer: Option<Vec<(String, Vec<Entry>)>> = read.query_async(conn).await?;
        Ok(answer.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }

    /// One step of a pass over the group's held entries: takes up to `count` whose lease has ended, and says where to go on.
    pub(crate) async fn reclaim(
        &self,
        conn: &mut MultiplexedConnection,
        lease: Duration,
        cursor: &str,
        count: usize,
    ) -> RedisResult<StreamAutoClaimReply> {
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim
            .arg(&self.key)
            .arg(&self.group)
            .arg(&self.consumer)
            .arg(lease.as_millis() as u64);
        claim.arg(cursor).arg("COUNT").arg(count).query_async(conn).await
    }

    /// Acknowledges and deletes `entries`, which are in the order of the stream, but for those that are no longer ours.
    pub(crate) async fn settle(&self, conn: &mut MultiplexedConnection, entries: &[String]) -> RedisResult<()> {
        self.script(&SETTLE).arg(entries).invoke_async(conn).await
    }

    /// Restarts the lease of `entries` and returns those that are no longer ours.
    pub(crate) async fn renew(&self, conn: &mut MultiplexedConnection, entries: &[String]) -> RedisResult<Vec<String>> {
        self.script(&RENEW).arg(entries).invoke_async(conn).await
    }

    /// Hands back all that Redis believes we hold, except `kept`.
    pub(crate) async fn hand_back(&self, conn: &mut MultiplexedConnection, kept: &[String]) -> RedisResult<u64> {
        self.script(&HAND_BACK).arg("stay").arg(kept).invoke_async(conn).await
    }

    /// Hands everything back and leaves the group.
    pub(crate) async fn leave(&self, conn: &mut MultiplexedConnection) -> RedisResult<u64> {
        self.script(&HAND_BACK).arg("leave").invoke_async(conn).await
    }

    /// Deletes consumers that hold nothing and were idle for longer than `longest`.
    pub(crate) async fn forget(&self, conn: &mut MultiplexedConnection, longest: Duration) -> RedisResult<()> {
        FORGET
            .key(&self.key)
            .arg(&self.group)
            .arg(longest.as_millis() as u64)
            .invoke_async(conn)
            .await
    }

    /// Marks a connection as this consumer's reader and returns its id, by which [`Member::disconnect`] finds it.
    pub(crate) async fn sign(&self, conn: &mut MultiplexedConnection) -> RedisResult<i64> {
        redis::cmd("CLIENT")
            .arg("SETNAME")
            .arg(&self.consumer)
            .query_async::<()>(conn)
            .await?;
        redis::cmd("CLIENT").arg("ID").query_async(conn).await
    }

    /// Ends our reader's connection at the server, so that nothing can be delivered to it any more: one that was merely dropped
    /// here may still have a blocked read there. Does nothing when it is gone; the name is compared because a restarted server
    /// counts connections from the start, and the number may be somebody else's by now.
    pub(crate) async fn disconnect(&self, conn: &mut MultiplexedConnection, id: i64) -> RedisResult<()> {
        let client: String = redis::cmd("CLIENT")
            .arg("LIST")
            .arg("ID")
            .arg(id)
            .query_async(conn)
            .await?;
        if client.contains(&format!(" name={} ", self.consumer)) {
            redis::cmd("CLIENT")
                .arg("KILL")
                .arg("ID")
                .arg(id)
                .query_async::<()>(conn)
                .await?;
        }
        Ok(())
    }

    fn script<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.key(&self.key);
        call.arg(&self.group).arg(&self.consumer);
        call
    }
}

/// A command that only proves that the connection lives.
pub(crate) async fn ping(conn: &mut MultiplexedConnection) -> RedisResult<()> {
    redis::cmd("PING").query_async(conn).await
}
