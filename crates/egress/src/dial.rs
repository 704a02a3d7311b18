//! Connects to exactly the addresses that the guard has checked: the one place where a TCP connection begins.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    error::{Error, Phase},
    guard::{Checked, Guard},
};

/// Resolves `checked` once and connects to the first of its addresses that answers, all within `limit`.
pub(crate) async fn dial(guard: &Guard, checked: &Checked, limit: Duration) -> Result<TcpStream, Error> {
    let deadline = Instant::now() + limit;
    let timeout = || Error::Timeout {
        host: checked.target.to_string(),
        phase: Phase::Connect,
    };
    let addresses = timeout_at(deadline, guard.resolve(checked))
        .await
        .map_err(|_| timeout())??;
    let stream = timeout_at(deadline, first(&addresses, deadline))
        .await
        .map_err(|_| timeout())?
        .map_err(|error| Error::Connect {
            host: checked.target.to_string(),
            reason: error.to_string(),
        })?;
    // Failing to switch off Nagle's algorithm costs time and nothing else.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// One address after the other; each but the last gets an even share of the time left, so that one that swallows packets
/// leaves some for the next.
async fn first(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
