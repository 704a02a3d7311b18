//! PostgreSQL: making a cluster, the server's settings, when it is ready, and the self-test.

use std::{ffi::OsString, fs, io, os::unix::process::ExitStatusExt as _, path::Path, process::Output, time::Duration};

use crate::{
    Durability, Runtime, Server,
    account::Account,
    error::Error,
    memory::memory_mb,
    process::{Launch, Process},
    state::State,
    watchdog::Watchdog,
};

/// Recovery after a loss of power replays up to `max_wal_size`.
pub(crate) const START_PATIENCE: Duration = Duration::from_mins(3);

/// A fast shutdown writes a checkpoint.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// How long to try again while remains of a killed server are in the way.
pub(crate) const REMAINS_PATIENCE: Duration = Duration::from_secs(10);

/// Only a character type that knows all alphabets lets `pg_trgm` see Cyrillic, Arabic or Chinese words.
const CHARACTER_TYPE: &str = if cfg!(target_os = "macos") {
    "en_US.UTF-8"
} else {
    "C.UTF-8"
};

/// Compares the extensions' functions with plain SQL, over a length that is no multiple of a vector register, and
/// leaves nothing behind. The settings keep the terse output of `psql` to one letter.
const SELF_TEST: &str = "
    begin;
    set client_min_messages = warning;
    create extension if not exists vector;
    create extension if not exists pg_trgm;
    with numbers as (select (i % 5)::float8 as x, (i % 3)::float8 as y from generate_series(1, 67) as i),
    computed as (
        select sqrt(sum((x - y) ^ 2)) as l2, 1 - sum(x * y) / sqrt(sum(x * x) * sum(y * y)) as cosine,
            array_agg(x)::real[] as x, array_agg(y)::real[] as y
        from numbers
    )
    select abs((x::vector <-> y::vector) - l2) < 1e-4 and abs((x::vector <=> y::vector) - cosine) < 1e-4
        and abs((x::halfvec <-> y::halfvec) - l2) < 1e-2 and abs((x::halfvec <=> y::halfvec) - cosine) < 1e-2
        and cardinality(show_trgm('привет')) > 0
    from computed;
    rollback;
";

/// Makes the cluster unless there is one. It gets its final name when it is whole.
pub(crate) fn create_cluster(
    runtime: &Runtime,
    state: &State,
    durability: Durability,
    account: &Account,
    watchdog: &mut Watchdog,
) -> Result<(), Error> {
    let data = state.cluster();
    if data.exists() {
        return Ok(());
    }
    let unfinished = data.with_extension("new");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("cannot remove", &unfinished)(error));
        }
        _ => {}
    }
    let mut args: Vec<OsString> = vec!["--pgdata".into(), unfinished.clone().into()];
    args.extend(
        [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-instructions",
        ]
        .map(OsString::from),
    );
    args.extend(
        [
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--lc-collate=C",
        ]
        .map(OsString::from),
    );
    args.push(format!("--lc-ctype={CHARACTER_TYPE}").into());
    if durability == Durability::Fast {
        args.push("--no-sync".into());
    }
    let launch = Launch {
        server: Server::Postgres,
        name: "initdb",
        program: runtime.postgres_program("initdb"),
        args,
        dir: state.servers(),
        log: state.log(Server::Postgres),
    };
    let done = Process::launch(launch, account, watchdog)?.wait();
    watchdog.forget(Server::Postgres);
    done?;
    fs::rename(&unfinished, &data).map_err(Error::io("cannot rename", &unfinished))
}

/// The server's command line.
pub(crate) fn launch<'a>(runtime: &Runtime, state: &'a State, durability: Durability) -> Launch<'a> {
    let mut settings = vec![
        "listen_addresses=".into(),
        "port=5432".into(),
        socket_directory(state.sockets()),
        "unix_socket_permissions=0700".into(),
        "max_connections=200".into(),
        format!("shared_buffers={}MB", buffers_mb(durability, memory_mb())).into(),
        "timezone=UTC".into(),
        "log_timezone=UTC".into(),
        "log_checkpoints=off".into(),
    ];
    if durability == Durability::Fast {
        // Not `synchronous_commit=off`, which loses the last commits when the server is killed and saves little here.
        let fast = [
            "fsync=off",
            "full_page_writes=off",
            "wal_level=minimal",
            "max_wal_senders=0",
            // Many of them may run at once on a small disk.
            "min_wal_size=32MB",
            "max_wal_size=128MB",
        ];
        settings.extend(fast.map(OsString::from));
    }
    let mut args: Vec<OsString> = vec!["-D".into(), state.cluster().into()];
    args.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting]));
    Launch {
        server: Server::Postgres,
        name: Server::Postgres.name(),
        program: runtime.postgres_program("postgres"),
        args,
        dir: state.servers(),
        log: state.log(Server::Postgres),
    }
}

/// MiB of tables that the server keeps in memory of its own: an eighth of what there is, if the data is to live long enough to be read
/// again. It takes them when it needs them.
fn buffers_mb(durability: Durability, memory_mb: u64) -> u64 {
    match durability {
        Durability::Durable => (memory_mb / 8).clamp(128, 1024),
        Durability::Fast => 128,
    }
}

/// The setting is a list of paths, in which quotes protect spaces.
fn socket_directory(dir: &Path) -> OsString {
    let mut setting = OsString::from("unix_socket_directories=\"");
    setting.push(dir);
    setting.push("\"");
    setting
}

/// Whether the server with this process id accepts connections. `postmaster.pid` holds the id in its first line and
/// the state in its eighth (`src/include/utils/pidfile.h`).
pub(crate) fn is_ready(state: &State, id: u32) -> bool {
    let file = state.cluster().join("postmaster.pid");
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first().is_some_and(|line| *line == id.to_string()) && lines.get(7) == Some(&"ready")
}

/// Whether the server gave up because a killed predecessor is not quite gone: its lock file names a process that
/// still seems to live, or its children still hold the shared memory.
pub(crate) fn remains_in_the_way(error: &Error) -> bool {
    let signs = ["\" already exists", "pre-existing shared memory block"];
    matches!(error, Error::Failed { lines, .. } if signs.iter().any(|sign| lines.contains(sign)))
}

/// Makes sure that the vector and trigram functions work on this machine: the first start and every change of the
/// programs is tested, since the bundled pgvector may use instructions that the processor does not have.
pub(crate) fn self_test(runtime: &Runtime, state: &State, account: &Account, server: &Process) -> Result<(), Error> {
    let marker = state.self_test();
    let program = runtime.postgres_program("psql");
    let tested = program.to_string_lossy();
    if fs::read_to_string(&marker).is_ok_and(|text| text == tested) {
        return Ok(());
    }
    let mut command = account.command(&program, state.servers());
    command.args([
        "-XqAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-p",
        "5432",
        "-U",
        "postgres",
        "-d",
        "postgres",
        "-h",
    ]);
    command.arg(state.sockets()).args(["-c", SELF_TEST]);
    let output = command.output().map_err(Error::io("cannot run", &program))?;
    judge(&output).map_err(|problem| Error::SelfTest {
        problem,
        lines: server.log_lines(),
    })?;
    // Removed first: it may be root's, left in the folder of the user who starts the servers now.
    if marker.exists() {
        fs::remove_file(&marker).map_err(Error::io("cannot remove", &marker))?;
    }
    fs::write(&marker, tested.as_bytes()).map_err(Error::io("cannot write", &marker))
}

fn judge(output: &Output) -> Result<(), String> {
    match String::from_utf8_lossy(&output.stdout).trim() {
        "t" if output.status.success() => Ok(()),
        "f" => Err("vector distances or trigrams come out wrong".to_owned()),
        _ => {
            let said = String::from_utf8_lossy(&output.stderr);
            let signal = output
                .status
                .signal()
                .map(|signal| format!("psql got signal {signal}; "));
            Err(format!("{}{}", signal.unwrap_or_default(), said.trim()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, process::ExitStatus};

    use super::*;

    #[test]
    fn a_failed_self_test_tells_what_happened() {
        let output = |code: i32, stdout: &str, stderr: &str| Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        assert_eq!(judge(&output(0, "t\n", "")), Ok(()));
        assert_eq!(
            judge(&output(0, "f\n", "")),
            Err("vector distances or trigrams come out wrong".to_owned())
        );
        let lost = judge(&output(2, "", "server closed the connection unexpectedly\n"));
        assert_eq!(lost, Err("server closed the connection unexpectedly".to_owned()));
    }

    #[test]
    fn only_remains_of_a_predecessor_are_worth_another_try() {
        let failed = |lines: &str| Error::Failed {
            program: "postgres",
            problem: String::new(),
            log: PathBuf::new(),
            lines: lines.to_owned(),
        };
        assert!(remains_in_the_way(&failed(
            "FATAL:  lock file \"postmaster.pid\" already exists"
        )));
        assert!(remains_in_the_way(&failed(
            "FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use"
        )));
        assert!(!remains_in_the_way(&failed(
            "FATAL:  could not create lock file \"a\": Permission denied"
        )));
    }

    #[test]
    fn what_is_kept_in_memory_goes_by_what_there_is() {
        let durable = |memory| buffers_mb(Durability::Durable, memory);
        assert_eq!([0, 512, 4096, 65_536].map(durable), [128, 128, 512, 1024]);
        assert_eq!(buffers_mb(Durability::Fast, 65_536), 128);
        assert_eq!(memory_mb() > 0, cfg!(target_os = "linux"));
    }
}
