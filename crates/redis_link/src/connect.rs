//! Opens connections: straight to a server, or through the Sentinels to whoever is the master now.

use crate::{
    Address, Limits,
    address::{Endpoint, Login, Parts, Route},
    tls,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, select_ok},
};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, RedisResult, Role, TlsCertificates,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use std::{io, time::Duration};
use tokio::time::timeout;

/// Finds a dead peer behind an idle connection after about half a minute.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(15))
    .with_interval(Duration::from_secs(5));

/// What to call when a connection ends.
pub(crate) type OnEnd = Box<dyn Fn() + Send + Sync>;

impl Address {
    /// A connection of the caller's own, for commands that block. It does not mend itself: after an error, drop it and ask for
    /// another one, which with Sentinels may lead to another server.
    pub async fn dedicated(&self, limits: Limits) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(limits.answer));
        self.open(limits.connect, config, ProtocolVersion::RESP2).await
    }

    /// A connection that reports its end at once, and not only when it is used again: RESP3 can, RESP2 cannot.
    pub(crate) async fn watched(&self, limits: Limits, on_end: OnEnd) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(limits.answer))
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    on_end();
                }
                Ok::<_, ()>(())
            });
        self.open(limits.connect, config, ProtocolVersion::RESP3).await
    }

    async fn open(
        &self,
        within: Duration,
        config: AsyncConnectionConfig,
        protocol: ProtocolVersion,
    ) -> RedisResult<MultiplexedConnection> {
        let opening = async {
            let parts = self.parts();
            let certificates = match &parts.tls {
                Some(tls) => Some(tls::certificates(tls).await?),
                None => None,
            };
            let opener = Opener {
                parts,
                certificates,
                config: config.set_connection_timeout(None),
                protocol,
            };
            let mut conn = opener.open().await?;
            match redis::cmd("PING").query_async::<()>(&mut conn).await {
                // A server that has just started takes connections before it takes commands.
                Err(error) if error.code() == Some("LOADING") => Err(error),
                _ => Ok(conn),
            }
        };
        timeout(within, opening).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {within:?}")).into())
        })
    }
}

/// One attempt.
struct Opener<'a> {
    parts: &'a Parts,
    certificates: Option<TlsCertificates>,
    config: AsyncConnectionConfig,
    protocol: ProtocolVersion,
}

impl Opener<'_> {
    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        match &self.parts.route {
            Route::Server(server) => self.connect(self.tcp(server)).await,
            Route::Socket(path) => self.connect(ConnectionAddr::Unix(path.clone())).await,
            Route::Sentinel {
                sentinels,
                service,
                login,
            } => {
                // All at once: one that hangs must not use up the time. The first master that calls itself one wins.
                let paths = sentinels.iter().map(|sentinel| self.ask(sentinel, service, login));
                select_ok(paths).await.map(|(conn, _)| conn)
            }
        }
    }

    fn ask<'a>(
        &'a self,
        sentinel: &'a Endpoint,
        service: &'a str,
        login: &'a Login,
    ) -> BoxFuture<'a, RedisResult<MultiplexedConnection>> {
        async move {
            // The limit around the whole attempt is the only one.
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(None);
            let mut asked = self
                .client(self.tcp(sentinel), login, 0, ProtocolVersion::RESP2)?
                .get_multiplexed_async_connection_with_config(&config)
                .await
                .map_err(|error| of_sentinel(sentinel, &error))?;
            let mut question = redis::cmd("SENTINEL");
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
            let answer: Option<(String, u16)> = question
                .query_async(&mut asked)
                .await
                .map_err(|error| of_sentinel(sentinel, &error))?;
            let Some((host, port)) = answer else {
                return Err(failure(format!("the Sentinel {sentinel} knows no service {service}")));
            };
            self.master(&Endpoint { host, port }).await
        }
        .boxed()
    }

    /// A Sentinel may not know yet that a master was replaced, so the master is asked, too, as Redis' guide for Sentinel clients
    /// wants it.
    async fn master(&self, server: &Endpoint) -> RedisResult<MultiplexedConnection> {
        let mut conn = self.connect(self.tcp(server)).await?;
        match redis::cmd("ROLE").query_async(&mut conn).await? {
            Role::Primary { .. } => Ok(conn),
            _ => Err(failure(format!("{server}, which a Sentinel named, is no master"))),
        }
    }

    async fn connect(&self, addr: ConnectionAddr) -> RedisResult<MultiplexedConnection> {
        let Parts { login, db, .. } = self.parts;
        let client = self.client(addr, login, *db, self.protocol)?;
        client.get_multiplexed_async_connection_with_config(&self.config).await
    }

    fn client(&self, addr: ConnectionAddr, login: &Login, db: i64, protocol: ProtocolVersion) -> RedisResult<Client> {
        let mut redis = RedisConnectionInfo::default().set_db(db).set_protocol(protocol);
        if let Some(user) = &login.user {
            redis = redis.set_username(user);
        }
        if let Some(password) = &login.password {
            redis = redis.set_password(password);
        }
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(KEEPALIVE);
        let info = addr
            .into_connection_info()?
            .set_redis_settings(redis)
            .set_tcp_settings(tcp);
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    fn tcp(&self, Endpoint { host, port }: &Endpoint) -> ConnectionAddr {
        let (host, port) = (host.clone(), *port);
        if self.certificates.is_some() {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }
}

fn of_sentinel(sentinel: &Endpoint, error: &RedisError) -> RedisError {
    failure(format!("the Sentinel {sentinel}: {error}"))
}

fn failure(text: String) -> RedisError {
    io::Error::other(text).into()
}
