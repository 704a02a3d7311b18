//! Private Valkey servers for tests, and the ways to hurt them. Only ever a dev-dependency.
//!
//! - [`Server`]: one process in a folder of its own: plain, with extra settings, as a replica, as a Sentinel; it can be frozen,
//!   killed and started again.
//! - [`Proxy`]: a TCP port in front of a server that can drop its connections, refuse new ones, or go silent; with an
//!   [`Authority`]'s certificate it also speaks TLS, which the bundled Valkey was not built with.
//! - [`until`] and [`ends`]: waiting for a condition, with an end.
//!
//! What must stay true: everything listens on loopback or a Unix socket only, and ends with its value.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

mod proxy;
mod server;
mod tls;

pub use proxy::{Mode, Proxy};
pub use server::{SERVICE, Server};
pub use tls::Authority;

use std::{
    process::Command,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// It only ends a wait for what never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);

/// Waits for a condition, and fails the test when it does not come.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for a future that should end, and fails the test when it does not.
pub async fn ends<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// Sends a signal by name to a process that the test started.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .unwrap();
    assert!(sent.success(), "cannot send SIG{name} to {pid}");
}
