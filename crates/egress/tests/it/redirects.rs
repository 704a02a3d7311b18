//! Redirects: each hop is a fetch of its own, and nothing secret crosses to another origin.

use egress::{Client, Redirects, Request};
use http::{HeaderName, HeaderValue, header};

use crate::support::{Canary, Server, client, get, ok, policy};

#[tokio::test]
async fn hops_are_followed_and_reported() {
    let last = Server::answering(ok("", b"here"));
    let middle = Server::redirecting(307, last.url("/c?x=1").as_str());
    let first = Server::redirecting(301, middle.url("/b").as_str());
    let response = get(&client(&[&first, &middle, &last]), first.url("/a")).await.unwrap();
    assert_eq!(response.body, "here");
    assert_eq!(response.url, last.url("/c?x=1"));
    let hops: Vec<_> = response
        .redirects
        .iter()
        .map(|hop| (hop.status.as_u16(), &hop.from, &hop.to))
        .collect();
    assert_eq!(
        hops,
        [
            (301, &first.url("/a"), &middle.url("/b")),
            (307, &middle.url("/b"), &last.url("/c?x=1"))
        ]
    );
    assert!(response.redirects.iter().all(|hop| !hop.downgrade));
}

#[tokio::test]
async fn a_relative_location_is_joined() {
    let server = Server::start(|head, stream| {
        let answer = if head.starts_with("get /shop/old") {
            b"HTTP/1.1 302 Found\r\nLocation: ../caf\xc3\xa9?a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_vec()
        } else {
            ok("", b"new")
        };
        std::io::Write::write_all(stream, &answer)
    });
    let response = get(&client(&[&server]), server.url("/shop/old")).await.unwrap();
    assert_eq!(response.url, server.url("/caf%C3%A9?a"));
}

#[tokio::test]
async fn a_manual_redirect_is_a_response() {
    let canary = Canary::new();
    let server = Server::redirecting(301, &format!("http://127.0.0.1:{}/", canary.port()));
    let request = Request::get(server.url("/")).redirects(Redirects::Manual);
    let response = client(&[&server]).fetch(request).await.unwrap();
    assert_eq!(response.status, 301);
    assert!(response.headers.contains_key(header::LOCATION));
    assert_eq!(response.url, server.url("/"));
    canary.assert_untouched();
}

#[tokio::test]
async fn a_redirect_without_a_location_is_a_response() {
    let server = Server::answering("HTTP/1.1 302 Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    let response = get(&client(&[&server]), server.url("/")).await.unwrap();
    assert_eq!((response.status.as_u16(), &response.body[..]), (302, &b"no"[..]));
}

#[tokio::test]
async fn a_redirect_to_a_refused_place_is_refused_before_any_connection() {
    let canary = Canary::new();
    let port = canary.port();
    for (location, code) in [
        (format!("http://127.0.0.1:{port}/"), "refused_address"),
        (format!("http://0x7f000001:{port}/"), "refused_address"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "refused_address"),
        (format!("http://localhost:{port}/"), "refused_address"),
        (format!("//127.1:{port}/"), "refused_address"),
        ("http://metadata.google.internal/".to_owned(), "refused_address"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "refused_address"),
        ("file:///etc/passwd".to_owned(), "refused_scheme"),
        (format!("gopher://127.0.0.1:{port}/"), "refused_scheme"),
        (format!("http://user:secret@127.0.0.1:{port}/"), "refused_url"),
        ("http://[".to_owned(), "protocol"),
    ] {
        let server = Server::redirecting(302, &location);
        let error = get(&client(&[&server]), server.url("/")).await.expect_err(&location);
        assert_eq!(error.code(), code, "{location}: {error}");
    }
    canary.assert_untouched();
}

#[tokio::test]
async fn a_loop_ends_at_the_limit() {
    let server = Server::redirecting(302, "/again");
    let error = get(&client(&[&server]), server.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "too_many_redirects");
    assert!(error.to_string().contains("more than 5 times"), "{error}");
    assert_eq!(server.heads().len(), 6, "the first request and five redirects");
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let other = Server::answering(ok("", b""));
    let first = Server::redirecting(302, other.url("/").as_str());
    let mut request = Request::get(first.url("/"))
        .header(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))
        .header(header::COOKIE, HeaderValue::from_static("id=s3cret"))
        .header(
            HeaderName::from_static("x-shop-token"),
            HeaderValue::from_static("s3cret"),
        )
        .header(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de"));
    request
        .headers
        .insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"v1\""));
    client(&[&first, &other]).fetch(request).await.unwrap();

    assert_eq!(first.heads()[0].matches("s3cret").count(), 3);
    let crossed = &other.heads()[0];
    assert!(
        !crossed.contains("s3cret") && !crossed.contains("if-none-match"),
        "{crossed}"
    );
    assert!(crossed.contains("accept-language: de\r\n"), "{crossed}");
}

#[tokio::test]
async fn within_an_origin_credentials_go_along_and_validators_do_not() {
    let server = Server::start(|head, stream| {
        let answer = if head.starts_with("get /old") {
            b"HTTP/1.1 308 Moved\r\nLocation: /new\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        } else {
            ok("", b"")
        };
        std::io::Write::write_all(stream, &answer)
    });
    let request = Request::get(server.url("/old"))
        .header(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))
        .header(header::IF_NONE_MATCH, HeaderValue::from_static("\"v1\""));
    client(&[&server]).fetch(request).await.unwrap();
    let second = &server.heads()[1];
    assert!(second.contains("authorization: bearer s3cret\r\n"), "{second}");
    assert!(
        !second.contains("if-none-match"),
        "the validator belongs to the old URL: {second}"
    );
}

#[tokio::test]
async fn the_limit_of_redirects_is_the_policys() {
    let server = Server::redirecting(302, "/again");
    let mut policy = policy(&[server.place()]);
    policy.limits.max_redirects = 0;
    let error = get(&Client::new(policy).unwrap(), server.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "too_many_redirects");
    assert_eq!(server.heads().len(), 1);
}
