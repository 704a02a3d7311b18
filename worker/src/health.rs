//! Whether the worker lives (`/livez`), whether it can work (`/readyz`), and its metrics.
//!
//! Alive means that its own parts move. A Redis or a database that is away makes it unready and not dead: starting it again
//! would mend nothing.
use domain::{
    jobs::{LANES, Lane, measure},
    lifecycle::Lifecycle,
};
use poem::{
    EndpointExt as _, Response, Route, Server, get, handler,
    http::StatusCode,
    listener::{Acceptor as _, Listener as _, TcpListener},
    web::Data,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::Context;

/// A part that has not moved for this long is dead.
const SILENCE: Duration = Duration::from_secs(10);

/// Signs of life of the process's parts. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Vitals {
    parts: Arc<Parts>,
}

struct Parts {
    ctx: Context,
    queues: BTreeMap<Lane, queue::Health>,
    ticked: Mutex<Instant>,
    born: Instant,
}

impl Vitals {
    /// Everything is taken for alive at first.
    pub fn new(ctx: &Context) -> Self {
        let now = Instant::now();
        Self {
            parts: Arc::new(Parts {
                ctx: ctx.clone(),
                queues: LANES.map(|lane| (lane, queue::Health::default())).into(),
                ticked: Mutex::new(now),
                born: now,
            }),
        }
    }

    /// Where a queue reports.
    pub fn queue(&self, lane: Lane) -> queue::Health {
        self.parts.queues.get(&lane).cloned().unwrap_or_default()
    }

    /// The maintenance loop has gone round.
    pub fn ticked(&self) {
        *self.parts.ticked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What is dead, if anything is.
    async fn dead(&self) -> Option<String> {
        let young = self.parts.born.elapsed() < SILENCE;
        let mut silent = None;
        for (lane, health) in &self.parts.queues {
            if !health.is_running() && !young {
                return Some(format!("the {lane} queue's task has ended"));
            }
            if health.reader_silence().is_some_and(|silence| silence > SILENCE) {
                silent = Some(lane);
            }
        }
        if let Some(lane) = silent
            && self.parts.ctx.dispatcher.ping().await.is_ok()
        {
            return Some(format!("the {lane} queue's reader is silent"));
        }
        let ticked = *self.parts.ticked.lock().unwrap_or_else(PoisonError::into_inner);
        if ticked.elapsed() > SILENCE && self.parts.ctx.db.ping().await.is_ok() {
            return Some("the maintenance loop stands still".to_owned());
        }
        None
    }
}

/// Starts the server. Without the address the worker works on: several workers on one machine have one address.
pub(crate) async fn serve(ctx: &Context, life: &Lifecycle, vitals: &Vitals) {
    let address = ctx.config.worker.health;
    let acceptor = match TcpListener::bind(address).into_acceptor().await {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::warn!(%address, %error, "no health server: WORKER_HEALTH is taken");
            return;
        }
    };
    for bound in acceptor.local_addr() {
        tracing::info!(address = %bound, "health server");
    }
    let app = Route::new()
        .at("/livez", get(livez))
        .at("/readyz", get(readyz))
        .at("/metrics", get(metrics_text))
        .data(vitals.clone())
        .data(life.clone());
    let stopping = life.stopping();
    life.spawn(async move {
        let stop = async move { stopping.cancelled().await };
        let server = Server::new_with_acceptor(acceptor);
        if let Err(error) = server
            .run_with_graceful_shutdown(app, stop, Some(Duration::from_secs(1)))
            .await
        {
            tracing::warn!(%error, "the health server ended");
        }
    });
}

#[handler]
async fn livez(vitals: Data<&Vitals>) -> Response {
    answer(vitals.dead().await)
}

#[handler]
async fn readyz(vitals: Data<&Vitals>, life: Data<&Lifecycle>) -> Response {
    if life.is_stopping() {
        return answer(Some("stopping".to_owned()));
    }
    let ctx = &vitals.parts.ctx;
    let (db, redis) = tokio::join!(ctx.db.ping(), ctx.dispatcher.ping());
    answer(db.and(redis).err().map(|error| error.public_message().to_owned()))
}

#[handler]
async fn metrics_text(vitals: Data<&Vitals>) -> Response {
    let ctx = &vitals.parts.ctx;
    let Some(render) = &ctx.metrics else {
        return StatusCode::NOT_FOUND.into();
    };
    // The other metrics are worth reading while the database is away.
    if let Err(error) = measure(&ctx.db).await {
        tracing::warn!(error = error.story(), "the queues can't be measured");
    }
    Response::builder()
        .content_type("text/plain; version=0.0.4")
        .body(render())
}

fn answer(trouble: Option<String>) -> Response {
    match trouble {
        None => Response::builder().body("ok\n"),
        Some(what) => Response::builder()
            .status(StatusCode::SERVICE_UNAVAILABLE)
            .body(format!("{what}\n")),
    }
}
