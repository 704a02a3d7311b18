//! A real HTTP server on a loopback port, for the stubs of this crate.
use poem::{
    Endpoint, Server,
    listener::{Acceptor, Listener, TcpListener},
};
use std::net::SocketAddr;
use tokio::task::JoinHandle;

/// A running server; it ends when it is dropped.
pub(crate) struct Local {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Local {
    /// Serves `endpoint` on a free port.
    #[expect(clippy::disallowed_methods, reason = "the task ends with the server")]
    pub async fn serve(endpoint: impl Endpoint + 'static) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .expect("a loopback port");
        let address = acceptor
            .local_addr()
            .into_iter()
            .find_map(|a| a.as_socket_addr().copied())
            .expect("an address");
        let task = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(endpoint).await;
        });
        Self { address, task }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.task.abort();
    }
}
