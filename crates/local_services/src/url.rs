//! Connection URLs with a path to a Unix socket in them.

use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path};

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3), and the slash when asked to.
fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            b'/' if keep_slash => text.push('/'),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

/// `postgres://user@localhost:5432/db?host=/folder&sslmode=disable`. The port is part of the socket's file name; it
/// and the TLS mode are spelt out because clients would else take them from the environment.
pub(crate) fn postgres(user: &str, database: &str, sockets: &Path) -> String {
    let [user, database] = [user, database].map(|name| encode(name.as_bytes(), false));
    let sockets = encode(sockets.as_os_str().as_bytes(), true);
    format!("postgres://{user}@localhost:5432/{database}?host={sockets}&sslmode=disable")
}

/// `redis+unix:///folder/socket`.
pub(crate) fn redis(socket: &Path) -> String {
    format!("redis+unix://{}", encode(socket.as_os_str().as_bytes(), true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_characters_are_encoded() {
        assert_eq!(
            postgres("app", "a/b", Path::new("/run/x y?&")),
            "postgres://app@localhost:5432/a%2Fb?host=/run/x%20y%3F%26&sslmode=disable"
        );
        assert_eq!(redis(Path::new("/run/ü#.sock")), "redis+unix:///run/%C3%BC%23.sock");
    }
}
