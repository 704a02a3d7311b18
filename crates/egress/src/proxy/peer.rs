//! Who is at the other end of a loopback connection.
//!
//! A browser cannot be given a password for its proxy on the command line, and a port number is no secret: every user of
//! the machine can read the list of listeners. But the kernel says which user owns the other end of a loopback
//! connection, so the proxy serves one user and nobody else.

use std::{io, net::SocketAddr};

/// Whether a process of `user` (this process's own, if `None`) holds the socket at `peer`, the far end of a connection to
/// `here`.
#[cfg(target_os = "linux")]
pub(super) async fn is_of(user: Option<u32>, peer: SocketAddr, here: SocketAddr) -> io::Result<bool> {
    let wanted = user.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
    // A client may reach an IPv4 address by an IPv6 socket too.
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        match tokio::fs::read_to_string(table).await {
            Ok(table) => {
                if let Some(owner) = owner(&table, peer, here) {
                    return Ok(owner == wanted);
                }
            }
            // A kernel without IPv6 has no such table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Elsewhere the kernel is not asked: whoever finds the port may use the proxy, and reaches what the guard lets through.
#[cfg(not(target_os = "linux"))]
pub(super) async fn is_of(_: Option<u32>, _: SocketAddr, _: SocketAddr) -> io::Result<bool> {
    Ok(true)
}

/// The user of the socket `local` connected to `remote` in a table of `proc_net_tcp(5)`.
#[cfg(target_os = "linux")]
fn owner(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let here = columns.nth(1)?;
        let there = columns.next()?;
        if address(here)? != local || address(there)? != remote {
            return None;
        }
        let user = columns.nth(4)?;
        // A socket that no process holds any more is shown as root's.
        let held = columns.nth(1)? != "0";
        held.then(|| user.parse().ok())?
    })
}

/// `0100007F:1F90`: the address in 32-bit words as they lie in memory, the port as a number.
#[cfg(target_os = "linux")]
fn address(text: &str) -> Option<SocketAddr> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        Some(
            u32::from_str_radix(words.get(at * 8..at * 8 + 8)?, 16)
                .ok()?
                .to_ne_bytes(),
        )
    };
    let address = match words.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for at in 0..4 {
                octets[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(all(test, target_os = "linux", target_endian = "little"))]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn of(rows: &str) -> Option<u32> {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        owner(&format!("{HEAD}{rows}"), local(8080), local(80))
    }

    #[test]
    fn the_row_of_exactly_this_connection_counts() {
        let row = |uid: u32| {
            format!(
                "   1: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000  {uid}        0 4242 1 0 20\n"
            )
        };
        // The other end of the same connection, and another connection.
        let others = "   0: 0100007F:0050 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  7        0 4243 1 0 20\n\
                      \u{20}  2: 0100007F:1F91 0100007F:0050 01 00000000:00000000 00:00000000 00000000  8        0 4244 1 0 20\n";
        assert_eq!(of(&format!("{others}{}", row(1000))), Some(1000));
        assert_eq!(of(others), None);
    }

    #[test]
    fn an_address_in_an_ipv6_socket_is_the_same_address() {
        let row = "   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:0050 01 \
                   00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 20\n";
        assert_eq!(of(row), Some(1000));
    }

    #[test]
    fn a_socket_without_a_process_is_nobodys() {
        let row = "   1: 0100007F:1F90 0100007F:0050 05 00000000:00000000 00:00000000 00000000  0        0 0 1 0 20\n";
        assert_eq!(of(row), None);
    }

    #[test]
    fn nonsense_is_nobodys() {
        for row in [
            "",
            "   1:",
            "  1: x y",
            "  1: 0100007F 0100007F:0050 01",
            "é: é0000000:1F90 é",
        ] {
            assert_eq!(of(row), None, "{row}");
        }
    }
}
