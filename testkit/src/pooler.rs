//! `PgBouncer` in transaction mode before a Postgres server of a test: few sessions that many clients share.
use nix::unistd::{Uid, User};
use std::{
    fs,
    os::unix::{fs::chown, net::UnixStream, process::CommandExt},
    path::Path,
    process::Command,
};

use crate::{Folder, Process, eventually};

/// Sessions that it has for everybody: fewer than clients, so that they change hands all the time.
pub const SESSIONS: usize = 3;
const PORT: u16 = 6432;

/// A running pooler.
pub struct Pooler {
    // Ends before its folder goes.
    process: Process,
    folder: Folder,
}

impl Pooler {
    /// Starts it before the server whose sockets are in this folder. Of a session it takes away what the driver has prepared and nothing
    /// else: a role or a customer that outlives its transaction is there for the next one to meet.
    pub async fn before(sockets: &Path) -> Self {
        let folder = Folder::new();
        let here = folder.path().to_str().expect("UTF-8");
        let settings = format!(
            "[databases]\n\
             * = host={} port=5432\n\
             [pgbouncer]\n\
             listen_addr =\n\
             listen_port = {PORT}\n\
             unix_socket_dir = {here}\n\
             auth_type = trust\n\
             auth_file = {here}/users\n\
             pool_mode = transaction\n\
             default_pool_size = {SESSIONS}\n\
             max_client_conn = 400\n\
             server_reset_query = DEALLOCATE ALL\n\
             server_reset_query_always = 1\n\
             ignore_startup_parameters = extra_float_digits\n",
            sockets.display()
        );
        fs::write(folder.path().join("pgbouncer.ini"), settings).expect("the pooler's settings");
        fs::write(folder.path().join("users"), "\"omniops\" \"\"\n").expect("the pooler's users");
        let mut command = Command::new("pgbouncer");
        command.arg(folder.path().join("pgbouncer.ini"));
        command.env("PATH", "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin");
        // It refuses to run as root, and the server's sockets are for the server's user.
        if Uid::effective().is_root() {
            let user = User::from_name("nobody").expect("users").expect("the user nobody");
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        assert!(
            found(),
            "pgbouncer is needed: install the package pgbouncer, or run `cargo xtask test`"
        );
        let process = Process::spawn(command, folder.path().join("pgbouncer.log"));
        let socket = folder.path().join(format!(".s.PGSQL.{PORT}"));
        eventually("the pooler", || {
            let ready = UnixStream::connect(&socket).is_ok();
            async move { ready.then_some(()) }
        })
        .await;
        Self { process, folder }
    }

    /// What a process needs to work on this database behind it: no prepared statement outlives a transaction.
    pub fn variables(&self, database: &str) -> Vec<(&'static str, String)> {
        let host = self.folder.path().display();
        let url = format!(
            "postgres://omniops@localhost:{PORT}/{database}?host={host}&sslmode=disable&statement-cache-capacity=0"
        );
        vec![
            ("DATABASE_URL", url),
            ("DATABASE_TRANSACTION_POOLER", "true".to_owned()),
        ]
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// Whether there is one. Debian keeps it where root looks only.
fn found() -> bool {
    ["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"]
        .iter()
        .any(|folder| Path::new(folder).join("pgbouncer").exists())
}
