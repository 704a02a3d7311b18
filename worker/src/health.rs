//! Whether the worker lives (`/livez`), whether it can work (`/readyz`), and its metrics.
//!
//! Alive means that its own parts move ([`crate::vitals`]). A Redis or a database that is away makes it unready and not dead: starting it again
//! would mend nothing. A worker that stays dead ends itself: not everything that watches over processes asks for probes, and what compose finds
//! unhealthy it leaves as it is.
use domain::{
    Error, Result,
    jobs::{measure, measure_streams},
    lifecycle::Lifecycle,
};
use poem::{
    EndpointExt as _, Response, Route, get, handler,
    http::StatusCode,
    listener::{Acceptor as _, Listener as _, TcpListener},
    web::Data,
};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    Context,
    vitals::{Server, Vitals},
};

/// Longest wait for a server. Whoever asks for a probe waits little longer.
const PING: Duration = Duration::from_secs(1);

/// How long a worker is dead before it ends itself, and how often it looks.
const DEAD: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_secs(2);

/// What a probe looks at.
#[derive(Clone)]
struct Probe {
    ctx: Context,
    vitals: Vitals,
}

impl Probe {
    /// What is dead, if anything is.
    async fn dead(&self) -> Option<String> {
        let findings = self.vitals.findings();
        let concerns = |server| findings.iter().any(|finding| finding.unless_away == Some(server));
        let (postgres, redis) = tokio::join!(
            async { concerns(Server::Postgres) && self.answers(Server::Postgres).await.is_err() },
            async { concerns(Server::Redis) && self.answers(Server::Redis).await.is_err() },
        );
        let excused = |server| match server {
            Server::Postgres => postgres,
            Server::Redis => redis,
        };
        let dead = findings
            .into_iter()
            .find(|finding| !finding.unless_away.is_some_and(excused));
        dead.map(|finding| finding.what)
    }

    /// Whether a server answers; one that hangs is as good as away, and keeps no probe waiting.
    async fn answers(&self, server: Server) -> Result<()> {
        let ping = async {
            match server {
                Server::Postgres => self.ctx.db.ping().await,
                Server::Redis => self.ctx.dispatcher.ping().await,
            }
        };
        timeout(PING, ping).await.unwrap_or_else(|elapsed| {
            let message = match server {
                Server::Postgres => "the database does not answer",
                Server::Redis => "Redis does not answer",
            };
            Err(Error::unavailable("unready", message, elapsed))
        })
    }
}

/// Returns what is dead when it has been for long, by one look after the other.
async fn given_up<F: Future<Output = Option<String>>>(dead: impl Fn() -> F) -> String {
    let mut since = None;
    loop {
        match dead().await {
            None => since = None,
            Some(what) if since.get_or_insert_with(Instant::now).elapsed() >= DEAD => return what,
            Some(_) => {}
        }
        sleep(LOOK).await;
    }
}

/// Ends the process when it has been dead for long.
fn watch(probe: Probe, life: &Lifecycle) {
    let stopping = life.stopping();
    life.spawn(async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            what = given_up(|| probe.dead()) => probe.vitals.fell(what),
        }
    });
}

/// Starts the watch and the server. Without the address the worker works on: several workers on one machine have one address.
pub(crate) async fn serve(ctx: &Context, life: &Lifecycle, vitals: &Vitals) {
    let probe = Probe {
        ctx: ctx.clone(),
        vitals: vitals.clone(),
    };
    watch(probe.clone(), life);
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
        .data(probe)
        .data(life.clone());
    let stopping = life.stopping();
    life.spawn(async move {
        let stop = async move { stopping.cancelled().await };
        let server = poem::Server::new_with_acceptor(acceptor);
        if let Err(error) = server
            .run_with_graceful_shutdown(app, stop, Some(Duration::from_secs(1)))
            .await
        {
            tracing::warn!(%error, "the health server ended");
        }
    });
}

#[handler]
async fn livez(probe: Data<&Probe>) -> Response {
    answer(probe.dead().await)
}

#[handler]
async fn readyz(probe: Data<&Probe>, life: Data<&Lifecycle>) -> Response {
    if life.is_stopping() {
        return answer(Some("stopping".to_owned()));
    }
    let (db, redis) = tokio::join!(probe.answers(Server::Postgres), probe.answers(Server::Redis));
    match db.and(redis) {
        Err(error) => answer(Some(error.public_message().to_owned())),
        Ok(()) => answer(probe.dead().await),
    }
}

#[handler]
async fn metrics_text(probe: Data<&Probe>) -> Response {
    let ctx = &probe.ctx;
    let Some(render) = &ctx.metrics else {
        return StatusCode::NOT_FOUND.into();
    };
    // The other metrics are worth reading while the database is away.
    if let Err(error) = measure(&ctx.db).await {
        tracing::warn!(error = error.story(), "the queues can't be measured");
    }
    measure_streams(&ctx.dispatcher).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[tokio::test(start_paused = true)]
    async fn what_is_dead_for_a_minute_without_a_break_is_given_up() {
        let began = Instant::now();
        let looks = RefCell::new(0);
        // Alive at one look of the first minute.
        let what = given_up(|| {
            *looks.borrow_mut() += 1;
            let dead = *looks.borrow() != 20;
            async move { dead.then(|| "a queue".to_owned()) }
        });
        assert_eq!(what.await, "a queue");
        assert_eq!(began.elapsed(), 20 * LOOK + DEAD);
    }
}
