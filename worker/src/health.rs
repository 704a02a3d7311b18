//! Whether the worker lives (`/livez`), whether it can work (`/readyz`), and its metrics.
//!
//! Alive means that its own parts move ([`crate::vitals`]). A Redis or a database that is away makes it unready and not dead: starting it again
//! would mend nothing.
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
use tokio::time::timeout;

use crate::{
    Context,
    vitals::{Server, Vitals},
};

/// Longest wait for a server. Whoever asks for a probe waits little longer.
const PING: Duration = Duration::from_secs(1);

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
        .data(Probe {
            ctx: ctx.clone(),
            vitals: vitals.clone(),
        })
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
