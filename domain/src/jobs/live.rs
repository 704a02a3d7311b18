//! Reading events as they happen: the customer's Redis stream wakes the reader, the table has what the stream has lost.
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection, streams::StreamReadReply};
use sea_orm::FromQueryResult;
use secrecy::ExposeSecret;
use std::{collections::VecDeque, time::Duration};
use uuid::Uuid;

use super::{Event, stream_key};
use crate::{
    Error, Result,
    config::RedisConfig,
    tenancy::{Customer, Db, sql},
};

/// One wait for Redis; without Redis, one wait between two looks at the table.
const WAIT: Duration = Duration::from_secs(2);

/// Opens event readers.
#[derive(Clone)]
pub struct Live {
    db: Db,
    client: Client,
}

impl Live {
    /// Connects at the first use.
    pub fn new(db: Db, config: &RedisConfig) -> Result<Self> {
        let client = Client::open(config.url.expose_secret()).map_err(|e| Error::internal("REDIS_URL", e))?;
        Ok(Self { db, client })
    }

    /// Reads the events of `job` after the event `after`.
    pub fn reader(&self, customer: &Customer, job: Uuid, after: i64) -> EventReader {
        EventReader {
            live: self.clone(),
            customer: customer.clone(),
            job,
            after,
            ready: VecDeque::new(),
            conn: None,
        }
    }
}

/// Yields the events of one job in order, each once.
pub struct EventReader {
    live: Live,
    customer: Customer,
    job: Uuid,
    after: i64,
    ready: VecDeque<Event>,
    conn: Option<(MultiplexedConnection, String)>,
}

impl EventReader {
    /// The next event. Waits for as long as it takes.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            // The stream's position is taken before the table is read, so that nothing falls between the two.
            let listening = self.listen().await;
            self.catch_up().await?;
            if self.ready.is_empty() && (!listening || !self.woken().await) {
                tokio::time::sleep(WAIT / 4).await;
            }
        }
    }

    async fn catch_up(&mut self) -> Result<()> {
        const AFTER: &str =
            "SELECT id, job_id, kind, data, at FROM job_events WHERE job_id = $1 AND id > $2 ORDER BY id LIMIT 200";
        let tx = self.live.db.tenant(&self.customer).await?;
        let rows = Event::find_by_statement(sql(AFTER, [self.job.into(), self.after.into()]))
            .all(&*tx)
            .await?;
        self.after = rows.last().map_or(self.after, |e| e.id);
        self.ready.extend(rows);
        Ok(())
    }

    async fn listen(&mut self) -> bool {
        if self.conn.is_some() {
            return true;
        }
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(WAIT))
            .set_response_timeout(Some(WAIT + Duration::from_secs(1)));
        let Ok(mut conn) = self
            .live
            .client
            .get_multiplexed_async_connection_with_config(&limits)
            .await
        else {
            return false;
        };
        let key = stream_key(self.customer.id);
        let newest: redis::RedisResult<redis::streams::StreamRangeReply> = redis::cmd("XREVRANGE")
            .arg(&key)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut conn)
            .await;
        let Ok(newest) = newest else { return false };
        let position = newest.ids.first().map_or_else(|| "0-0".to_owned(), |e| e.id.clone());
        self.conn = Some((conn, position));
        true
    }

    /// Waits for the stream to move; false when Redis went away.
    async fn woken(&mut self) -> bool {
        let Some((conn, position)) = &mut self.conn else {
            return false;
        };
        let key = stream_key(self.customer.id);
        let mut read = redis::cmd("XREAD");
        read.arg("BLOCK")
            .arg(WAIT.as_millis() as u64)
            .arg("STREAMS")
            .arg(&key)
            .arg(&*position);
        let got: redis::RedisResult<Option<StreamReadReply>> = read.query_async(conn).await;
        match got {
            Ok(Some(reply)) => {
                if let Some(entry) = reply.keys.iter().flat_map(|k| &k.ids).last() {
                    position.clone_from(&entry.id);
                }
                true
            }
            Ok(None) => true,
            Err(_) => {
                self.conn = None;
                false
            }
        }
    }
}
