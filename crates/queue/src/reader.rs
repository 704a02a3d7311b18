//! Brings entries in: new ones by a read that blocks in Redis, orphans by a pass over what others hold.
//!
//! Owns a connection, because a blocking read holds up everything behind it. All deliveries to this consumer happen here, one
//! after the other, so the reader asks for exactly as many entries as there is room for. It may be dropped at any await: what was
//! delivered and not admitted is a stray, which the next connection, or the keeper at shutdown, hands back.

use crate::{
    member::{self, PASS_START},
    shared::Shared,
};
use redis::{RedisResult, aio::MultiplexedConnection};
use redis_link::Backoff;
use std::{convert::Infallible, sync::atomic::Ordering::SeqCst, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};

/// How often a worker that takes nothing looks whether it does again.
const REST: Duration = Duration::from_millis(200);

/// Reads for ever, over as many connections as that takes.
pub(crate) async fn run(shared: &Shared) -> Infallible {
    let mut backoff = Backoff::default();
    loop {
        let Err(error) = read(shared, &mut backoff).await;
        shared.health.reader().failed("reader", &error);
        sleep(backoff.delay()).await;
    }
}

/// Reads until the connection fails.
async fn read(shared: &Shared, backoff: &mut Backoff) -> RedisResult<Infallible> {
    let (config, member) = (&shared.config, &shared.member);
    let mut conn = member.connect(config.read_timeout()).await?;
    return_strays(shared, &mut conn).await?;
    let mut orphans = Orphans {
        pass_at: Instant::now() + config.amnesty(),
        cursor: PASS_START.to_owned(),
    };
    loop {
        while config.rests.as_ref().is_some_and(|rests| rests.load(SeqCst)) {
            member::ping(&mut conn).await?;
            shared.health.reader().answered();
            sleep(REST).await;
        }
        let room = wait_for_room(shared, &mut conn).await?;
        let until_pass = orphans.pass_at.saturating_duration_since(Instant::now());
        if until_pass.is_zero() {
            orphans.reclaim(shared, &mut conn, room).await?;
        } else {
            let entries = member.read(&mut conn, room, config.block.min(until_pass)).await?;
            let dry = config.dry.as_ref().filter(|_| entries.len() < room);
            shared.admit(entries);
            dry.inspect(|dry| dry.notify_one());
            backoff.reset();
        }
        // Only now: a connection that is made and refused what it is for says nothing of entries.
        shared.health.reader().answered();
    }
}

/// Hands back what an earlier connection was given in an answer that never arrived. Reading a consumer's history could bring
/// such entries in, too, but also one that is acknowledged at that instant.
async fn return_strays(shared: &Shared, conn: &mut MultiplexedConnection) -> RedisResult<()> {
    let id = shared.member.sign(conn).await?;
    let earlier = shared.reader_connection.swap(id, SeqCst);
    if earlier == 0 {
        return Ok(());
    }
    shared.member.disconnect(conn, earlier).await?;
    let _held = shared.held.lock().await;
    let known = shared.book().known();
    let strays = shared.member.hand_back(conn, &known).await?;
    if strays > 0 {
        tracing::info!(strays, "handed back entries whose delivery was cut off");
    }
    Ok(())
}

/// Waits until it is worth asking.
async fn wait_for_room(shared: &Shared, conn: &mut MultiplexedConnection) -> RedisResult<usize> {
    let mut ping_at = Instant::now() + shared.config.block;
    loop {
        let room = shared.book().room();
        if room > 0 {
            return Ok(room);
        }
        if timeout_at(ping_at, shared.room.notified()).await.is_err() {
            // Long handlers must not look like a dead reader, nor let a dead connection go unnoticed.
            member::ping(conn).await?;
            shared.health.reader().answered();
            ping_at = Instant::now() + shared.config.block;
        }
    }
}

/// The passes over what the group holds.
struct Orphans {
    pass_at: Instant,
    cursor: String,
}

impl Orphans {
    /// Takes orphans as far as there is room. A pass that is through is followed by the next one after a while.
    async fn reclaim(&mut self, shared: &Shared, conn: &mut MultiplexedConnection, room: usize) -> RedisResult<()> {
        let (config, member) = (&shared.config, &shared.member);
        let _held = shared.held.lock().await;
        let step = member.reclaim(conn, config.lease, &self.cursor, room).await?;
        if !step.claimed.is_empty() {
            tracing::info!(entries = step.claimed.len(), "reclaimed entries whose lease had ended");
        }
        shared.admit(step.claimed.into_iter().map(Into::into).collect());
        self.cursor = step.next_stream_id;
        if self.cursor == PASS_START {
            member.forget(conn, 3 * config.lease).await?;
            self.pass_at = Instant::now() + config.reclaim_every();
        }
        Ok(())
    }
}
