//! Valkey: the server's settings and when it is ready.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::{Durability, Runtime, Server, memory::memory_mb, process::Launch, state::State};

/// Reading a large append-only file back takes a while.
pub(crate) const START_PATIENCE: Duration = Duration::from_mins(3);

/// The append-only file is flushed and synced at the end.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// The server's command line. Queues must not lose entries to eviction, whatever their durability.
pub(crate) fn launch<'a>(runtime: &Runtime, state: &'a State, durability: Durability) -> Launch<'a> {
    let sync = match durability {
        Durability::Durable => "everysec",
        Durability::Fast => "no",
    };
    let mut args: Vec<OsString> = [
        "--port",
        "0",
        "--unixsocketperm",
        "700",
        "--save",
        "",
        "--appendonly",
        "yes",
    ]
    .into_iter()
    .chain([
        "--appendfsync",
        sync,
        "--maxmemory-policy",
        "noeviction",
        "--daemonize",
        "no",
    ])
    .map(OsString::from)
    .collect();
    args.extend(["--maxmemory".into(), format!("{}mb", limit_mb(memory_mb())).into()]);
    args.extend(["--dir".into(), state.servers().into()]);
    args.extend(["--appenddirname", Server::Valkey.name()].map(OsString::from));
    args.extend(["--unixsocket".into(), state.valkey_socket().into()]);
    Launch {
        server: Server::Valkey,
        name: Server::Valkey.name(),
        program: runtime.valkey_server().to_owned(),
        args,
        dir: state.servers(),
        log: state.log(Server::Valkey),
    }
}

/// MiB from which on the server refuses writes: an eighth of what there is. Without a limit it would grow until the machine ended it.
fn limit_mb(memory_mb: u64) -> u64 {
    (memory_mb / 8).clamp(256, 4096)
}

/// Whether the server answers; while it reads its data back it says `-LOADING`.
pub(crate) fn is_ready(socket: &Path) -> bool {
    const PONG: &[u8; 7] = b"+PONG\r\n";
    let answer = UnixStream::connect(socket).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; PONG.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    });
    answer.is_ok_and(|answer| &answer == PONG)
}
