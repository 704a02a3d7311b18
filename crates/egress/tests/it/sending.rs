//! Requests that carry something: sent once, to the one that was meant, and not repeated for anybody who asks.

use std::io::{Read as _, Write as _};

use egress::{Client, Redirects, Request};
use http::{HeaderValue, header};

use crate::support::{Server, client, ok, policy};

/// Answers with the body that it got.
fn echo() -> Server {
    Server::start(|head, stream| {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body)?;
        stream.write_all(&ok("", &body))
    })
}

/// Answers `/seen`, and sends everybody else elsewhere.
fn moving(status: u16, location: &str) -> Server {
    let answer =
        format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Server::start(move |head, stream| {
        let length = usize::from(head.contains("content-length: 4")) * 4;
        stream.read_exact(&mut vec![0; length])?;
        if head.contains(" /seen ") {
            return stream.write_all(&ok("", b"seen"));
        }
        stream.write_all(answer.as_bytes())
    })
}

#[tokio::test]
async fn each_method_sends_what_it_is_given() {
    let server = echo();
    let client = client(&[&server]);
    let json = HeaderValue::from_static("application/json");
    let post = Request::post(server.url("/hook"), "{}").header(header::CONTENT_TYPE, json);
    for (request, echoed) in [
        (post, "{}"),
        (Request::put(server.url("/a"), "text"), "text"),
        (Request::delete(server.url("/a")), ""),
        (Request::post(server.url("/b"), ""), ""),
    ] {
        assert_eq!(client.fetch(request).await.unwrap().body, echoed);
    }
    let heads = server.heads();
    assert!(heads[0].starts_with("post /hook http/1.1\r\n"), "{}", heads[0]);
    assert!(heads[0].contains("content-type: application/json\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("put /a "), "{}", heads[1]);
    assert!(heads[2].starts_with("delete /a "), "{}", heads[2]);
    assert!(
        heads[3].contains("content-length: 0\r\n"),
        "some servers insist on it: {}",
        heads[3]
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_or_of_a_get_is_not_sent() {
    let server = echo();
    let mut policy = policy(&[server.place()]);
    policy.limits.max_request_bytes = 4;
    let client = Client::new(policy).unwrap();
    client.fetch(Request::post(server.url("/"), "1234")).await.unwrap();
    let long = Request::post(server.url("/"), "12345");
    let misplaced = Request {
        body: "1".into(),
        ..Request::get(server.url("/"))
    };
    for refused in [long, misplaced] {
        let error = client.fetch(refused).await.unwrap_err();
        assert_eq!(error.code(), "invalid_request");
        assert!(!error.is_retryable());
    }
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_redirected_post_is_handed_back_unless_told_otherwise() {
    let other = echo();
    for status in [301, 302, 303, 307, 308] {
        let server = moving(status, other.url("/").as_str());
        let request = Request::post(server.url("/"), "data");
        let response = client(&[&server, &other]).fetch(request).await.unwrap();
        assert_eq!(response.status, status);
    }
    assert!(other.heads().is_empty());
}

#[tokio::test]
async fn a_followed_post_is_repeated_within_its_origin_alone() {
    let other = echo();
    for (status, repeated) in [
        (301, None),
        (302, None),
        (303, Some("get")),
        (307, Some("post")),
        (308, Some("post")),
    ] {
        let server = moving(status, "/seen");
        let request = Request::post(server.url("/"), "data")
            .redirects(Redirects::Follow)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let response = client(&[&server]).fetch(request).await.unwrap();
        let heads = server.heads();
        if let Some(method) = repeated {
            assert_eq!(response.body, "seen", "{status}");
            assert!(heads[1].starts_with(method), "{status}: {heads:?}");
            let has_content = heads[1].contains("content-type") && heads[1].contains("content-length: 4");
            assert_eq!(has_content, method == "post", "{status}: {heads:?}");
        } else {
            assert_eq!((response.status.as_u16(), heads.len()), (status, 1));
        }
    }
    for status in [307, 308] {
        let server = moving(status, other.url("/").as_str());
        let request = Request::post(server.url("/"), "data").redirects(Redirects::Follow);
        let response = client(&[&server, &other]).fetch(request).await.unwrap();
        assert_eq!(response.status, status, "the data is not for the other origin");
    }
    assert!(other.heads().is_empty());
}

#[tokio::test]
async fn after_303_another_origin_gets_a_bare_get() {
    let other = echo();
    let server = moving(303, other.url("/result").as_str());
    let request = Request::post(server.url("/"), "data")
        .redirects(Redirects::Follow)
        .header(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
    let response = client(&[&server, &other]).fetch(request).await.unwrap();
    assert_eq!(response.url, other.url("/result"));
    let seen = &other.heads()[0];
    assert!(seen.starts_with("get /result "), "{seen}");
    assert!(!seen.contains("s3cret") && !seen.contains("content-"), "{seen}");
}
