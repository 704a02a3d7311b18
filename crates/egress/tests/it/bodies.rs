//! Bodies: decoded, bounded by what comes out of the decoder and by what goes in.

use std::{io::Write, time::Duration};

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder};
use egress::{Client, Request};
use tokio::io::AsyncWriteExt;

use crate::support::{Server, client, get, limits, ok, policy, until_closed};

const TEXT: &[u8] = b"the same words again, the same words again, the same words again";

async fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(data).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

async fn brotli(data: &[u8]) -> Vec<u8> {
    let mut encoder = BrotliEncoder::with_quality(Vec::new(), async_compression::Level::Fastest);
    encoder.write_all(data).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

async fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new());
    encoder.write_all(data).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

#[tokio::test]
async fn every_accepted_coding_is_decoded() {
    for (name, packed) in [
        ("gzip", gzip(TEXT).await),
        ("br", brotli(TEXT).await),
        ("deflate", zlib(TEXT).await),
    ] {
        let server = Server::answering(ok(&format!("Content-Encoding: {name}\r\n"), &packed));
        let response = get(&client(&[&server]), server.url("/")).await.expect(name);
        assert_eq!(response.body, TEXT, "{name}");
        assert_eq!(response.wire_bytes, packed.len() as u64, "{name}");
    }
}

#[tokio::test]
async fn several_members_of_gzip_are_one_body() {
    let packed = [gzip(b"one ").await, gzip(b"two").await].concat();
    let server = Server::answering(ok("Content-Encoding: gzip\r\n", &packed));
    assert_eq!(get(&client(&[&server]), server.url("/")).await.unwrap().body, "one two");
}

#[tokio::test]
async fn an_empty_body_is_empty_in_every_coding() {
    let server = Server::answering(ok("Content-Encoding: gzip\r\n", b""));
    assert_eq!(get(&client(&[&server]), server.url("/")).await.unwrap().body, "");
}

#[tokio::test]
async fn bombs_are_stopped_at_the_limit() {
    let zeros = vec![0; 1024 * 1024];
    // Ten thousand members of 1 MiB: 10 GiB out of some 10 MiB.
    let gigabytes = gzip(&zeros).await.repeat(10_000);
    for (name, bomb) in [
        ("gzip", gigabytes),
        ("br", brotli(&zeros).await),
        ("deflate", zlib(&zeros).await),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nConnection: close\r\n\r\n");
        let server = Server::answering([head.as_bytes(), &bomb].concat());
        let error = get(&client(&[&server]), server.url("/")).await.expect_err(name);
        assert_eq!(error.code(), "too_large", "{name}: {error}");
        assert!(error.to_string().contains("65536 bytes of body"), "{error}");
    }
}

#[tokio::test]
async fn of_a_longer_body_the_first_bytes_are_had() {
    let text = TEXT.repeat(40_000);
    for (coding, packed) in [("", text.clone()), ("Content-Encoding: gzip\r\n", gzip(&text).await)] {
        let server = Server::answering(ok(coding, &packed));
        let request = Request::get(server.url("/")).first_bytes(100_000);
        let response = client(&[&server]).fetch(request).await.expect(coding);
        assert_eq!(response.body, text[..100_000], "{coding}");
    }
    let server = Server::answering(ok("", TEXT));
    let request = Request::get(server.url("/")).first_bytes(100_000);
    assert_eq!(client(&[&server]).fetch(request).await.unwrap().body, TEXT);
}

#[tokio::test]
async fn an_endless_stream_that_decodes_to_nothing_is_stopped() {
    let nothing = gzip(b"").await;
    let server = Server::start(move |_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&nothing)?;
        }
    });
    assert_eq!(
        get(&client(&[&server]), server.url("/")).await.unwrap_err().code(),
        "too_large"
    );
}

#[tokio::test]
async fn nested_and_unknown_codings_are_refused() {
    let twice = gzip(&gzip(TEXT).await).await;
    for coding in ["gzip, gzip", "gzip\r\nContent-Encoding: gzip", "zstd", "aes128gcm"] {
        let server = Server::answering(ok(&format!("Content-Encoding: {coding}\r\n"), &twice));
        let error = get(&client(&[&server]), server.url("/")).await.expect_err(coding);
        assert_eq!(error.code(), "protocol", "{coding}: {error}");
        assert!(error.to_string().contains("content encoding"), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_coding_says_is_a_protocol_error() {
    let server = Server::answering(ok("Content-Encoding: gzip\r\n", b"plain text"));
    assert_eq!(
        get(&client(&[&server]), server.url("/")).await.unwrap_err().code(),
        "protocol"
    );
    let cut = &gzip(TEXT).await[..20];
    let server = Server::answering(ok("Content-Encoding: gzip\r\n", cut));
    assert_eq!(
        get(&client(&[&server]), server.url("/")).await.unwrap_err().code(),
        "protocol"
    );
}

#[tokio::test]
async fn an_endless_body_is_stopped() {
    for chunked in [true, false] {
        let server = Server::start(move |_, stream| {
            let framing = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
            write!(stream, "HTTP/1.1 200 OK\r\n{framing}Connection: close\r\n\r\n")?;
            loop {
                stream.write_all(b"4\r\nabcd\r\n")?;
            }
        });
        assert_eq!(
            get(&client(&[&server]), server.url("/")).await.unwrap_err().code(),
            "too_large"
        );
    }
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_before_the_body() {
    // Nothing is sent after the head: only the announcement can be the reason.
    let server = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n")?;
        until_closed(stream)
    });
    assert_eq!(
        get(&client(&[&server]), server.url("/")).await.unwrap_err().code(),
        "too_large"
    );
}

#[tokio::test]
async fn a_lying_length_is_noticed() {
    let short = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nonly this");
    let error = get(&client(&[&short]), short.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "protocol");
    assert!(error.is_retryable());

    // What follows the announced length belongs to no response.
    let long = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nonly this");
    assert_eq!(get(&client(&[&long]), long.url("/")).await.unwrap().body, "only");
}

#[tokio::test]
async fn the_limit_is_exact_and_a_request_may_bring_its_own() {
    let limit = limits().max_body_bytes;
    let fits = Server::answering(ok("", &vec![b'x'; limit]));
    assert_eq!(get(&client(&[&fits]), fits.url("/")).await.unwrap().body.len(), limit);
    let over = Server::answering(ok("", &vec![b'x'; limit + 1]));
    let client = client(&[&fits, &over]);
    assert_eq!(get(&client, over.url("/")).await.unwrap_err().code(), "too_large");
    let wider = Request::get(over.url("/")).max_body_bytes(limit + 1);
    assert_eq!(client.fetch(wider).await.unwrap().body.len(), limit + 1);
    let narrower = Request::get(fits.url("/")).max_body_bytes(10);
    assert_eq!(client.fetch(narrower).await.unwrap_err().code(), "too_large");
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let header = format!("X-Long: {}\r\n", "x".repeat(limits().max_header_bytes));
    let server = Server::answering(ok(&header, b"body"));
    let error = get(&client(&[&server]), server.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "too_large");
    assert!(error.to_string().contains("of headers"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_protocol_error() {
    let server = Server::answering("SSH-2.0-OpenSSH_9.6\r\n\r\n");
    assert_eq!(
        get(&client(&[&server]), server.url("/")).await.unwrap_err().code(),
        "protocol"
    );
}

#[tokio::test]
async fn a_head_without_an_end_is_cut_off_at_the_limit() {
    for line in ["X-Long: ", "X-Short: y\r\n"] {
        let server = Server::start(move |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(line.as_bytes())?;
            }
        });
        let error = get(&client(&[&server]), server.url("/")).await.unwrap_err();
        let expected = format!("{} sent more than 65536 bytes of headers", server.place());
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_prolong_nothing() {
    let polite = Server::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
        stream.write_all(&ok("", b"final"))
    });
    assert_eq!(get(&client(&[&polite]), polite.url("/")).await.unwrap().body, "final");

    let endless = Server::start(|_, stream| {
        loop {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
    });
    let mut policy = policy(&[endless.place()]);
    policy.limits.read_timeout = Duration::from_millis(300);
    let error = get(&Client::new(policy).unwrap(), endless.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "timeout");
}

#[tokio::test]
async fn bombs_in_the_framing_are_stopped() {
    /// What comes once after the head, and what comes again and again.
    const BOMBS: [(&str, &str); 3] = [
        (
            "",
            "4;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nabcd\r\n",
        ),
        ("4;", "xxxxxxxxxxxxxxxx"),
        ("0\r\n", "X-Trailer: yes\r\n"),
    ];
    for (once, again) in BOMBS {
        let server = Server::start(move |_, stream| {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{once}")?;
            loop {
                stream.write_all(again.as_bytes())?;
            }
        });
        let error = get(&client(&[&server]), server.url("/")).await.unwrap_err();
        assert!(matches!(error.code(), "protocol" | "too_large"), "{again}: {error}");
    }
}

#[tokio::test]
async fn trailers_are_no_part_of_the_answer() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: ETag\r\nConnection: close\r\n\r\n\
         4\r\nbody\r\n0\r\nETag: \"late\"\r\n\r\n",
    );
    let response = get(&client(&[&server]), server.url("/")).await.unwrap();
    assert_eq!(response.body, "body");
    assert!(!response.headers.contains_key(http::header::ETAG));
}

#[tokio::test]
async fn two_lengths_that_differ_are_a_protocol_error() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde",
    );
    let error = get(&client(&[&server]), server.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "protocol");
}
