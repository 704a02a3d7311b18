//! Which headers go through the proxy: what belongs to the connection stays on it (RFC 9110 §7.6.1), and neither side
//! learns of the proxy from the other's headers, or is told of it falsely.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Belong to one connection, whatever `Connection` says. `Content-Length` and `Transfer-Encoding` are set anew from the
/// body as it was understood, so that the two sides cannot disagree on where it ends.
const PER_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Removes everything that is not for the other side.
pub(super) fn clean(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let proxys = headers
        .keys()
        .filter(|name| name.as_str().starts_with("proxy-"))
        .cloned();
    let gone: Vec<HeaderName> = named.into_iter().chain(proxys).collect();
    for name in gone {
        headers.remove(name);
    }
    for name in PER_CONNECTION {
        headers.remove(*name);
    }
}

/// Whether the request wants to leave HTTP for a WebSocket.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::UPGRADE)
        .iter()
        .any(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"websocket"))
}

/// The length of a body that has one, for the methods where a missing length would be refused by some servers.
pub(super) fn set_length(headers: &mut HeaderMap, length: Option<u64>) {
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    value.parse::<HeaderValue>().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn what_belongs_to_the_connection_or_to_proxies_stays_here() {
        let mut headers = map(&[
            ("accept", "text/html"),
            ("connection", "keep-alive, X-Hop"),
            ("connection", "x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eA=="),
            ("proxy-status", "forged; error=http_request_denied"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("via", "1.1 x"),
            ("cookie", "a=b"),
        ]);
        clean(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "cookie"]);
    }

    #[test]
    fn a_websocket_is_known_by_its_upgrade() {
        assert!(wants_websocket(&map(&[("upgrade", "WebSocket")])));
        assert!(!wants_websocket(&map(&[("upgrade", "h2c")])));
        assert!(!wants_websocket(&map(&[])));
    }
}
