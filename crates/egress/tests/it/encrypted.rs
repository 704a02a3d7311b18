//! https: the certificate is for the name that was asked for, HTTP/2 where the server speaks it, and no secrets downhill.

use std::{convert::Infallible, io::Write as _, net::IpAddr, sync::Arc};

use bytes::Bytes;
use egress::{Client, Request};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use netns_lab::{Lab, PUBLIC, inside};
use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{Server, get, policy};

fn public_address() -> IpAddr {
    PUBLIC[0].parse().unwrap()
}

/// A public server with a certificate for `shop.test` that every program in the lab trusts.
async fn serve(lab: &Lab, protocols: &[&str]) -> JoinSet<()> {
    egress::install_crypto();
    let made = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    lab.trust(&made.cert.pem());
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((public_address(), 443)).await.unwrap();
    for name in ["shop.test", "other.test"] {
        lab.dns().answer(name, &[PUBLIC[0]]);
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(acceptor.clone(), stream));
        }
    });
    tasks
}

/// However the client ends it, it is ended.
async fn connection(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (stream, service) = (TokioIo::new(stream), service_fn(answer));
    if http2 {
        let _ = conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await;
    } else {
        let _ = conn::http1::Builder::new().serve_connection(stream, service).await;
    }
}

/// `/` tells the HTTP version, `/down` leads to http, and `/big` has too large a head.
async fn answer(request: http::Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from(format!("{:?}", request.version())));
    match request.uri().path() {
        "/down" => {
            let down = HeaderValue::from_static("http://shop.test/up");
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(header::LOCATION, down);
        }
        "/big" => {
            for number in 0..80 {
                let name: HeaderName = format!("x-{number}").parse().unwrap();
                let value = "x".repeat(1000).parse().unwrap();
                response.headers_mut().insert(name, value);
            }
        }
        _ => {}
    }
    Ok(response)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

#[test]
fn the_newest_protocol_of_the_server_is_spoken() {
    inside(|lab| {
        run(async {
            let _server = serve(lab, &["h2", "http/1.1"]).await;
            let client = Client::new(policy(&[])).unwrap();
            let response = get(&client, "https://shop.test/".parse().unwrap()).await.unwrap();
            assert_eq!(response.body, "HTTP/2.0");
        });
    });
}

#[test]
fn a_server_without_http2_is_spoken_to_in_http1() {
    inside(|lab| {
        run(async {
            let _server = serve(lab, &[]).await;
            let client = Client::new(policy(&[])).unwrap();
            let sent = Request::put("https://shop.test/".parse().unwrap(), "data");
            assert_eq!(client.fetch(sent).await.unwrap().body, "HTTP/1.1");
        });
    });
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    inside(|lab| {
        run(async {
            let _server = serve(lab, &["h2"]).await;
            let client = Client::new(policy(&[])).unwrap();
            for host in ["other.test", PUBLIC[0]] {
                let url = format!("https://{host}/").parse().unwrap();
                let error = get(&client, url).await.unwrap_err();
                assert_eq!(error.code(), "tls", "{error}");
            }
        });
    });
}

#[test]
fn a_head_beyond_the_limit_is_refused_in_http2_too() {
    inside(|lab| {
        run(async {
            let _server = serve(lab, &["h2"]).await;
            let client = Client::new(policy(&[])).unwrap();
            let url = "https://shop.test/big".parse().unwrap();
            let error = get(&client, url).await.unwrap_err();
            assert!(matches!(error.code(), "too_large" | "protocol"), "{error}");
        });
    });
}

#[test]
fn a_flip_between_https_and_http_ends_and_leaves_the_secrets_behind() {
    inside(|lab| {
        run(async {
            let _server = serve(lab, &["http/1.1"]).await;
            let plain = Server::on((public_address(), 80).into(), |_, stream| {
                stream.write_all(
                    b"HTTP/1.1 302 Found\r\nLocation: https://shop.test/down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                )
            });
            let client = Client::new(policy(&[])).unwrap();
            let secret = HeaderValue::from_static("Bearer s3cret");
            let request = Request::get("https://shop.test/down".parse().unwrap()).header(header::AUTHORIZATION, secret);
            let error = client.fetch(request).await.unwrap_err();
            assert_eq!(error.code(), "too_many_redirects");
            let heads = plain.heads();
            assert_eq!(heads.len(), 3, "five redirects followed, from https first");
            assert!(heads.iter().all(|head| !head.contains("s3cret")), "{heads:?}");
        });
    });
}
