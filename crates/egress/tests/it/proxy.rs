//! The filtering proxy, spoken to byte by byte as a browser would and as an attacker might.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use egress::{
    Guard, HostPort, Lookup, SystemLookup,
    proxy::{Limits, Proxy},
};

use crate::support::{Canary, Closed, Names, Server, drip, ok, until_closed};

fn limits() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(5),
        head_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        ..Limits::default()
    }
}

async fn proxy_with(allow: &[HostPort], lookup: Arc<dyn Lookup>, limits: Limits) -> Proxy {
    Proxy::start(Guard::new(allow, lookup), limits).await.unwrap()
}

/// A proxy that may reach these servers and nothing else on this machine.
async fn proxy(servers: &[&Server]) -> Proxy {
    let allow: Vec<_> = servers.iter().map(|server| server.place()).collect();
    proxy_with(&allow, Arc::new(SystemLookup), limits()).await
}

/// Sends `text` on a new connection and reads to its end.
pub async fn say(to: SocketAddr, text: impl Into<Vec<u8>>) -> String {
    let text = text.into();
    blocking(move || {
        let mut stream = connect(to);
        stream.write_all(&text).unwrap();
        rest(&mut stream)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    // Far beyond every limit of a test: a proxy that does not end something fails the test.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the proxy left the connection open: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads up to the end of a head.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// A request as a browser sends it to its proxy.
pub fn asking(url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nHost: ignored.test\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_page_goes_through_without_the_headers_of_the_way() {
    let server = Server::answering(ok(
        "Via: 1.0 x\r\nProxy-Status: forged\r\nKeep-Alive: timeout=9\r\nETag: \"a\"\r\n",
        b"hello",
    ));
    let proxy = proxy(&[&server]).await;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: elsewhere.test\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nCookie: a=b\r\n\
         X-Hop: 1\r\nConnection: close, X-Hop\r\n\r\n",
        server.url("/page?q=1#part")
    );
    let answer = say(proxy.addr(), request).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    assert!(
        answer.ends_with("\r\n\r\nhello") && answer.contains("etag: \"a\"\r\n"),
        "{answer}"
    );
    for leaked in ["via", "proxy-status", "keep-alive"] {
        assert!(!answer.contains(leaked), "{answer}");
    }
    let seen = &server.heads()[0];
    assert!(seen.starts_with("get /page?q=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", server.place())), "{seen}");
    assert!(seen.contains("cookie: a=b\r\n"), "{seen}");
    for leaked in ["proxy", "x-hop", "via", "elsewhere"] {
        assert!(!seen.contains(leaked), "{seen}");
    }
    assert!(proxy.take_refusals().is_empty());
}

#[tokio::test]
async fn a_body_is_passed_on_with_its_length() {
    let server = Server::start(|head, stream| {
        let length = if head.contains("content-length: 5\r\n") { 5 } else { 0 };
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        stream.write_all(&ok("", &body))
    });
    let proxy = proxy(&[&server]).await;
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nhello",
        server.url("/")
    );
    let answer = say(proxy.addr(), request).await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(!server.heads()[0].contains("expect"), "{:?}", server.heads());
}

#[tokio::test]
async fn connect_becomes_a_tunnel_for_any_bytes() {
    let server = Server::start(|_, stream| {
        stream.write_all(b"\x00\x01answer")?;
        let mut more = [0; 4];
        stream.read_exact(&mut more)?;
        stream.write_all(&more)
    });
    let proxy = proxy(&[&server]).await;
    let (to, place) = (proxy.addr(), server.place());
    let echoed = blocking(move || {
        let mut stream = connect(to);
        write!(stream, "CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n").unwrap();
        assert!(head(&mut stream).starts_with("http/1.1 200"));
        stream.write_all(b"not http\r\n\r\n").unwrap();
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x00\x01answer");
        stream.write_all(b"more").unwrap();
        rest(&mut stream)
    })
    .await;
    assert_eq!(echoed, "more");
}

#[tokio::test]
async fn no_way_to_write_a_local_address_passes_the_proxy() {
    let (canary, everywhere) = Canary::pair();
    let port = canary.port();
    let names = Names::of(&[
        ("inside.test", &["127.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("mixed.test", &["93.184.216.34", "127.0.0.1"]),
    ]);
    let proxy = proxy_with(&[], names, limits()).await;
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "metadata.google.internal",
        "inside.test",
        "mapped.test",
        "mixed.test",
    ];
    for host in hosts {
        for request in [
            asking(&format!("http://{host}:{port}/")),
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: public.test\r\nConnection: close\r\n\r\n"),
        ] {
            let answer = say(proxy.addr(), request.clone()).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{request}{answer}");
            assert!(
                answer
                    .contains("proxy-status: egress; error=destination_ip_prohibited; details=\"refused_address\"\r\n"),
                "{answer}"
            );
            let refusals = proxy.take_refusals();
            assert_eq!(refusals.len(), 1, "{refusals:?}");
            assert_eq!(refusals[0].error.code(), "refused_address");
            assert!(
                refusals[0].target.contains(host) || host.starts_with("LOCAL"),
                "{refusals:?}"
            );
        }
    }
    canary.assert_untouched();
    everywhere.assert_untouched();
}

#[tokio::test]
async fn what_is_no_business_of_a_proxy_is_refused() {
    let server = Server::answering(ok("", b""));
    let proxy = proxy(&[&server]).await;
    let url = server.url("/");
    let https = url.as_str().replace("http:", "https:");
    for (request, status, code) in [
        (
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (asking(&https), 403, "refused_scheme"),
        (asking("ftp://shop.test/"), 403, "refused_scheme"),
        (asking("gopher://shop.test/"), 403, "refused_scheme"),
        (asking("http://user:pw@shop.test/"), 403, "refused_url"),
        (
            "CONNECT shop.test HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".to_owned(),
            400,
            "invalid_request",
        ),
        (
            "CONNECT user@shop.test:443 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".to_owned(),
            403,
            "refused_url",
        ),
        (
            format!("GET {url} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n"),
            403,
            "refused_url",
        ),
        (asking("http://unknown.invalid/"), 502, "dns"),
    ] {
        let answer = say(proxy.addr(), request.clone()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
        assert!(answer.contains(&format!("details=\"{code}\"")), "{request}{answer}");
        let refusals = proxy.take_refusals();
        assert_eq!(
            refusals.iter().map(|r| r.error.code()).collect::<Vec<_>>(),
            [code],
            "{request}"
        );
    }
    assert!(server.heads().is_empty());
}

#[tokio::test]
async fn each_request_on_a_connection_is_judged_by_itself() {
    let (server, canary) = (Server::answering(ok("", b"inside")), Canary::new());
    let proxy = proxy(&[&server]).await;
    let first = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", server.url("/"));
    let second = asking(&format!("http://127.0.0.1:{}/", canary.port()));
    let answer = say(proxy.addr(), format!("{first}{second}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("insideHTTP/1.1 403 Forbidden"), "{answer}");
    canary.assert_untouched();
}

#[tokio::test]
async fn a_name_is_resolved_once_for_each_request() {
    let server = Server::answering(ok("", b"inside"));
    let names = Names::of(&[("shop.test", &["127.0.0.1"])]);
    let allow = [format!("shop.test:{}", server.port).parse().unwrap()];
    let proxy = proxy_with(&allow, names.clone(), limits()).await;
    let answer = say(proxy.addr(), asking(&format!("http://shop.test:{}/", server.port))).await;
    assert!(answer.ends_with("inside"), "{answer}");
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert!(server.heads()[0].contains(&format!("host: shop.test:{}\r\n", server.port)));
}

#[tokio::test]
async fn a_request_of_two_lengths_reaches_nobody_as_two_requests() {
    let server = Server::start(|_, stream| {
        stream.write_all(&ok("", b"first"))?;
        until_closed(stream)
    });
    let proxy = proxy(&[&server]).await;
    let smuggled = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
        server.url("/")
    );
    let answer = say(proxy.addr(), smuggled).await;
    assert!(!answer.contains("admin"), "{answer}");
    let seen = server.heads();
    assert!(
        seen.len() <= 1 && !seen.iter().any(|head| head.contains("content-length: 4")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn heads_of_either_side_are_bounded() {
    let long = "x".repeat(limits().max_header_bytes);
    let server = Server::answering(ok(&format!("X-Long: {long}\r\n"), b""));
    let proxy = proxy(&[&server]).await;
    let answer = say(proxy.addr(), asking(server.url("/").as_str())).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(answer.contains("details=\"too_large\""), "{answer}");

    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n", server.url("/"));
    let answer = say(proxy.addr(), request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn an_answer_that_switches_protocols_unasked_is_refused() {
    let server =
        Server::answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    let proxy = proxy(&[&server]).await;
    let answer = say(proxy.addr(), asking(server.url("/").as_str())).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn silence_on_either_side_ends_the_connection() {
    let silent = Server::start(|_, stream| until_closed(stream));
    let limits = Limits {
        head_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        ..limits()
    };
    let proxy = proxy_with(&[silent.place()], Arc::new(SystemLookup), limits).await;
    // A browser that begins and stops, and one that says nothing.
    assert_eq!(say(proxy.addr(), "GET http://shop.test/ HT").await, "");
    assert_eq!(say(proxy.addr(), "").await, "");
    // A site that does not answer, and a tunnel in which nobody speaks.
    let answer = say(proxy.addr(), asking(silent.url("/").as_str())).await;
    assert!(
        answer.starts_with("HTTP/1.1 504 ") || answer.starts_with("HTTP/1.1 502 "),
        "{answer}"
    );
    let answer = say(
        proxy.addr(),
        format!("CONNECT {} HTTP/1.1\r\nHost: x\r\n\r\n", silent.place()),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_busy_connection_ends_with_its_bytes_and_with_its_life() {
    let endless = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 1024])?;
        }
    });
    let few_bytes = Limits {
        max_connection_bytes: 100_000,
        ..limits()
    };
    let short_life = Limits {
        lifetime: Duration::from_millis(300),
        ..limits()
    };
    let requests = [
        asking(endless.url("/").as_str()),
        format!(
            "CONNECT {} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            endless.place()
        ),
    ];
    for (limits, most) in [(few_bytes, 300_000), (short_life, usize::MAX)] {
        let proxy = proxy_with(&[endless.place()], Arc::new(SystemLookup), limits).await;
        for request in requests.clone() {
            let answer = say(proxy.addr(), request).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:.200}");
            assert!(answer.len() < most, "{} bytes", answer.len());
        }
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Server::answering(ok("", b"hello"));
    let limits = Limits {
        max_connections: 1,
        ..limits()
    };
    let proxy = proxy_with(&[server.place()], Arc::new(SystemLookup), limits).await;
    let (to, url) = (proxy.addr(), server.url("/"));
    blocking(move || {
        let mut first = connect(to);
        write!(first, "GET {url} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(head(&mut first).starts_with("http/1.1 200"));
        let mut second = connect(to);
        second.write_all(asking(url.as_str()).as_bytes()).unwrap();
        second.set_nonblocking(true).unwrap();
        assert_eq!(
            second.read(&mut [0; 1]).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock
        );
        second.set_nonblocking(false).unwrap();
        drop(first);
        assert!(rest(&mut second).ends_with("hello"));
    })
    .await;
    assert_eq!(server.heads().len(), 2);
}

#[tokio::test]
async fn closing_closes_the_port_and_every_connection() {
    let server = Server::start(|_, stream| until_closed(stream));
    for dropped in [false, true] {
        let proxy = proxy(&[&server]).await;
        let (to, place) = (proxy.addr(), server.place());
        let mut tunnel = blocking(move || {
            let mut stream = connect(to);
            write!(stream, "CONNECT {place} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert!(head(&mut stream).starts_with("http/1.1 200"));
            stream
        })
        .await;
        if dropped {
            drop(proxy);
        } else {
            proxy.close().await;
        }
        assert_eq!(blocking(move || rest(&mut tunnel)).await, "");
        assert!(TcpStream::connect(to).is_err(), "the port is still open");
    }
}

#[tokio::test]
async fn a_failure_to_connect_is_told_apart_from_a_refusal() {
    let closed = Closed::new();
    let place = closed.place();
    let proxy = proxy_with(std::slice::from_ref(&place), Arc::new(SystemLookup), limits()).await;
    let answer = say(proxy.addr(), asking(&format!("http://{place}/"))).await;
    assert!(
        answer.starts_with("HTTP/1.1 502 ") && answer.contains("details=\"connect\""),
        "{answer}"
    );
    let refusals = proxy.take_refusals();
    assert_eq!(
        (refusals[0].method.as_str(), refusals[0].error.code()),
        ("GET", "connect")
    );
}

#[tokio::test]
async fn another_users_processes_are_not_served() {
    let server = Server::answering(ok("", b"hello"));
    let limits = Limits {
        user: Some(nix::unistd::geteuid().as_raw() + 1),
        ..limits()
    };
    let proxy = proxy_with(&[server.place()], Arc::new(SystemLookup), limits).await;
    assert_eq!(say(proxy.addr(), asking(server.url("/").as_str())).await, "");
    assert!(server.heads().is_empty());
    assert!(proxy.take_refusals()[0].error.to_string().contains("another user's"));
}

#[tokio::test]
async fn dripping_on_either_side_ends_with_its_clock() {
    let head = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        drip(stream, b"A: b\r\n")
    });
    let body = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        drip(stream, b"x")
    });
    let limits = Limits {
        head_timeout: Duration::from_millis(500),
        lifetime: Duration::from_secs(1),
        ..limits()
    };
    let proxy = proxy_with(&[head.place(), body.place()], Arc::new(SystemLookup), limits).await;
    let answer = say(proxy.addr(), asking(head.url("/").as_str())).await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("details=\"timeout\""), "{answer}");
    let answer = say(proxy.addr(), asking(body.url("/").as_str())).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    // A browser that drips its request.
    let to = proxy.addr();
    blocking(move || {
        let mut stream = connect(to);
        stream.write_all(b"GET http://shop.test/ HTTP/1.1\r\n").unwrap();
        drip(&mut stream, b"A: b\r\n").unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn what_was_meant_for_a_refused_tunnel_is_no_request() {
    let server = Server::answering(ok("", b"hello"));
    let proxy = proxy(&[&server]).await;
    let refused = "CONNECT 10.0.0.5:443 HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = say(proxy.addr(), format!("{refused}{}", asking(server.url("/").as_str()))).await;
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.matches("HTTP/1.1").count() == 1,
        "{answer}"
    );
    assert!(server.heads().is_empty());
}
