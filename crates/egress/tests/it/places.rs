//! Where a fetch may lead: exceptions, literals, names, answers of the resolver.

use std::{process::Command, sync::atomic::Ordering};

use egress::{Client, Method, Request};
use http::{HeaderValue, header};

use crate::support::{Canary, Closed, Names, Server, client, get, ok, policy};

#[tokio::test]
async fn an_excepted_place_is_fetched() {
    let server = Server::answering(ok("ETag: \"a\"\r\n", b"hello"));
    let response = get(&client(&[&server]), server.url("/page?q=1#part")).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.body, "hello");
    assert_eq!(response.wire_bytes, 5);
    assert_eq!(response.headers[header::ETAG], "\"a\"");
    assert_eq!(response.url, server.url("/page?q=1#part"));
    assert!(response.redirects.is_empty());
    let head = &server.heads()[0];
    assert!(head.starts_with("get /page?q=1 http/1.1\r\n"), "{head}");
    assert!(head.contains("user-agent: test-agent/1\r\n"), "{head}");
    assert!(head.contains("accept-encoding: gzip, br, deflate\r\n"), "{head}");
    assert!(!head.contains("referer") && !head.contains("cookie"), "{head}");
}

#[tokio::test]
async fn any_status_is_a_response() {
    let server =
        Server::answering("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy");
    let response = get(&client(&[&server]), server.url("/")).await.unwrap();
    assert_eq!((response.status.as_u16(), &response.body[..]), (503, &b"busy"[..]));
    assert_eq!(response.headers[header::RETRY_AFTER], "7");
}

#[tokio::test]
async fn a_not_modified_answer_and_a_head_have_no_body() {
    let server = Server::start(|head, stream| {
        let status = if head.starts_with("head") {
            "200 OK"
        } else {
            "304 Not Modified"
        };
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: 900\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(stream, answer.as_bytes())
    });
    let client = client(&[&server]);
    let conditional = Request::get(server.url("/")).header(header::IF_NONE_MATCH, HeaderValue::from_static("\"a\""));
    let response = client.fetch(conditional).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.len()), (304, 0));
    assert!(server.heads()[0].contains("if-none-match: \"a\"\r\n"));

    let request = Request::head(server.url("/"));
    assert_eq!(request.method, Method::Head);
    let response = client.fetch(request).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.len()), (200, 0));
}

#[tokio::test]
async fn another_port_of_an_excepted_host_is_refused() {
    let (server, canary) = (Server::answering(ok("", b"")), Canary::new());
    let url = format!("http://127.0.0.1:{}/", canary.port()).parse().unwrap();
    let error = get(&client(&[&server]), url).await.unwrap_err();
    assert_eq!(error.code(), "refused_address");
    assert!(
        error
            .to_string()
            .contains("127.0.0.1 is not a public address (loopback)"),
        "{error}"
    );
    assert!(!error.is_retryable());
    canary.assert_untouched();
}

#[tokio::test]
async fn no_spelling_of_a_local_address_reaches_it() {
    // The same port on every other local address: whatever slips through is seen.
    let (canary, everywhere) = Canary::pair();
    let port = canary.port();
    let client = client(&[]);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
        "%6c%6f%63alhost",
    ] {
        let url = format!("http://{host}:{port}/").parse().unwrap();
        let error = get(&client, url).await.expect_err(host);
        assert_eq!(error.code(), "refused_address", "{host}: {error}");
    }
    canary.assert_untouched();
    everywhere.assert_untouched();
}

#[tokio::test]
async fn a_name_is_judged_by_its_addresses() {
    let canary = Canary::new();
    let names = Names::of(&[
        ("inside.test", &["127.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        // A public address first: the whole answer is refused, and the public address is not contacted either.
        ("mixed.test", &["93.184.216.34", "127.0.0.1"]),
        ("empty.test", &[]),
    ]);
    let client = Client::with_lookup(policy(&[]), names.clone()).unwrap();
    for (name, code) in [
        ("inside.test", "refused_address"),
        ("mapped.test", "refused_address"),
        ("mixed.test", "refused_address"),
        ("empty.test", "dns"),
        ("unknown.test", "dns"),
    ] {
        let url = format!("http://{name}:{}/", canary.port()).parse().unwrap();
        let error = get(&client, url).await.expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    canary.assert_untouched();
    assert_eq!(
        names.asked.load(Ordering::SeqCst),
        5,
        "one question for each fetch: nothing to rebind in between"
    );
}

#[tokio::test]
async fn an_excepted_name_may_be_local_on_its_port_alone() {
    let server = Server::answering(ok("", b"inside"));
    let canary = Canary::new();
    let names = Names::of(&[("shop.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])]);
    let allow = [format!("shop.test:{}", server.port).parse().unwrap()];
    let client = Client::with_lookup(policy(&allow), names.clone()).unwrap();
    let url = |host: &str, port: u16| format!("http://{host}:{port}/").parse().unwrap();

    assert_eq!(
        get(&client, url("shop.test", server.port)).await.unwrap().body,
        "inside"
    );
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    // The connection of the exception must not serve another name, nor the name another port.
    assert_eq!(
        get(&client, url("other.test", server.port)).await.unwrap_err().code(),
        "refused_address"
    );
    assert_eq!(
        get(&client, url("shop.test", canary.port())).await.unwrap_err().code(),
        "refused_address"
    );
    canary.assert_untouched();
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error_and_plain_http_is_a_tls_error() {
    let closed = Closed::new();
    let place = closed.place();
    let client = Client::new(policy(std::slice::from_ref(&place))).unwrap();
    let error = get(&client, format!("http://{place}/").parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "connect");
    assert!(error.is_retryable());
    assert!(error.to_string().contains("refused"), "{error}");

    let talks_plain = plain_http_listener();
    let client = Client::new(policy(&[format!("127.0.0.1:{talks_plain}").parse().unwrap()])).unwrap();
    let error = get(&client, format!("https://127.0.0.1:{talks_plain}/").parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "tls", "{error}");
    assert!(!error.is_retryable());
}

/// Answers a TLS greeting with plain HTTP.
fn plain_http_listener() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Read::read(&mut stream, &mut [0; 64]).unwrap();
        std::io::Write::write_all(&mut stream, &ok("", b"plain")).unwrap();
    });
    port
}

#[tokio::test]
async fn headers_of_the_client_cannot_be_replaced() {
    let server = Server::answering(ok("", b""));
    let client = client(&[&server]);
    for name in [
        header::HOST,
        header::ACCEPT_ENCODING,
        header::TRANSFER_ENCODING,
        header::USER_AGENT,
    ] {
        let request = Request::get(server.url("/")).header(name, HeaderValue::from_static("x"));
        assert_eq!(client.fetch(request).await.unwrap_err().code(), "invalid_request");
    }
    assert!(server.heads().is_empty());
}

/// The environment of a running process cannot be changed safely, so another test runs again in a process that has one.
#[test]
fn proxy_variables_are_ignored() {
    let canary = Canary::new();
    let proxy = format!("http://127.0.0.1:{}", canary.port());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "places::an_excepted_place_is_fetched"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        child.env(name, &proxy);
    }
    let output = child.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    canary.assert_untouched();
}
