//! What must never be reached, listened on: in a network namespace of the test's own, private and metadata addresses
//! exist, and count who knocks. The list of targets is proven dangerous by an unguarded client first.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

use egress::{
    Client, Guard, Request, SystemLookup,
    proxy::{Limits, Proxy},
};
use netns_lab::{Lab, PUBLIC, inside};
use url::Url;

use crate::{
    proxy::{asking, say},
    support::{Server, get, ok, policy},
};

const CANARY_PORTS: &[u16] = &[80, 443, 8080];

/// URLs that lead to a canary, each by another way to hide where it leads.
const DANGEROUS: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.1:8080/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://1%32%37.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://0.0.0.0/",
    "http://0/",
    "http://localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:10.0.0.5]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://10.0.0.5/",
    "http://172.16.0.5/",
    "http://192.168.0.5:8080/",
    "http://100.64.0.5/",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[fd00:ec2::254]/",
    "https://169.254.169.254/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://inside.test/",
    "https://inside.test/",
    "http://alias.test/",
    "http://alias-of-alias.test/",
    "http://mixed.test/",
    "http://mixed-families.test/",
    "http://mapped.test/",
];

fn set_names(lab: &Lab) {
    let dns = lab.dns();
    dns.answer("shop.test", &[PUBLIC[0]]);
    dns.answer("metadata.google.internal", &["169.254.169.254"]);
    dns.answer("inside.test", &["10.0.0.5"]);
    dns.answer("alias.test", &["inside.test"]);
    dns.answer("alias-of-alias.test", &["alias.test"]);
    dns.answer("mixed.test", &[PUBLIC[0], "10.0.0.5"]);
    dns.answer("mixed-families.test", &[PUBLIC[0], "fd00:ec2::254"]);
    dns.answer("mapped.test", &["::ffff:10.0.0.5"]);
}

fn urls() -> Vec<Url> {
    DANGEROUS.iter().map(|url| url.parse().unwrap()).collect()
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(future);
}

fn public_address() -> IpAddr {
    PUBLIC[0].parse().unwrap()
}

/// A public server that redirects `/N?STATUS` to the N-th dangerous URL.
fn redirector() -> Server {
    Server::on((public_address(), 80).into(), |head, stream| {
        let path = head.split(' ').nth(1).unwrap();
        let Some((number, status)) = path.trim_start_matches('/').split_once('?') else {
            return stream.write_all(&ok("", b"public"));
        };
        let to = &urls()[number.parse::<usize>().unwrap()];
        write!(
            stream,
            "HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    })
}

async fn proxy() -> Proxy {
    let guard = Guard::new(&[], Arc::new(SystemLookup));
    Proxy::start(guard, Limits::default()).await.unwrap()
}

#[test]
fn the_control_each_target_is_reached_without_a_guard() {
    inside(|lab| {
        set_names(lab);
        let canaries = lab.canaries(CANARY_PORTS);
        for url in urls() {
            let host = url.host_str().unwrap().trim_matches(['[', ']']);
            let place = (host, url.port_or_known_default().unwrap());
            for address in place.to_socket_addrs().unwrap() {
                // Of a mixed answer, the public address has no listener here.
                let _ = TcpStream::connect(address);
            }
            assert!(!canaries.hits().is_empty(), "{url} leads to no canary");
        }
    });
}

#[test]
fn the_client_is_led_to_no_canary() {
    inside(|lab| {
        set_names(lab);
        let canaries = lab.canaries(CANARY_PORTS);
        let server = redirector();
        run(async {
            let client = Client::new(policy(&[])).unwrap();
            let public = get(&client, "http://shop.test/".parse().unwrap()).await.unwrap();
            assert_eq!(public.body, "public");
            for (number, url) in urls().into_iter().enumerate() {
                for request in [
                    Request::get(url.clone()),
                    Request::post(url.clone(), "data"),
                    Request::delete(url.clone()),
                ] {
                    let error = client.fetch(request).await.unwrap_err();
                    assert_eq!(error.code(), "refused_address", "{url}: {error}");
                }
                for status in [301, 302, 303, 307, 308] {
                    let redirected = format!("http://shop.test/{number}?{status}").parse().unwrap();
                    let error = get(&client, redirected).await.unwrap_err();
                    assert_eq!(error.code(), "refused_address", "{status} to {url}: {error}");
                }
            }
        });
        let asked = server.heads().len();
        assert_eq!(asked, 1 + 5 * DANGEROUS.len(), "every redirect was asked for");
        canaries.assert_untouched();
    });
}

#[test]
fn no_site_leads_to_a_place_that_is_excepted_for_another() {
    inside(|lab| {
        set_names(lab);
        let excepted = Server::answering(ok("", b"the operator's own"));
        let to = excepted.url("/");
        let redirect =
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _public = Server::on((public_address(), 80).into(), move |_, stream| {
            stream.write_all(redirect.as_bytes())
        });
        let hops = Server::redirecting(302, excepted.url("/").as_str());
        run(async {
            let client = Client::new(policy(&[excepted.place(), hops.place()])).unwrap();
            let error = get(&client, "http://shop.test/".parse().unwrap()).await.unwrap_err();
            assert_eq!(error.code(), "refused_address", "{error}");
            assert!(excepted.heads().is_empty(), "it has not been asked");
            let own = get(&client, hops.url("/")).await.unwrap();
            assert_eq!(own.body, "the operator's own", "one excepted place leads to another");
        });
    });
}

#[test]
fn the_proxy_leads_to_no_canary() {
    inside(|lab| {
        set_names(lab);
        let canaries = lab.canaries(CANARY_PORTS);
        let _server = redirector();
        run(async {
            let proxy = proxy().await;
            assert!(say(proxy.addr(), asking("http://shop.test/")).await.ends_with("public"));
            for (text, url) in DANGEROUS.iter().zip(urls()) {
                let (host, port) = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
                let connect = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n");
                let mut requests = vec![connect];
                if url.scheme() == "http" {
                    // As a browser writes it, and as it stands in the page where HTTP can carry that.
                    requests.push(asking(url.as_str()));
                    requests.extend(text.parse::<http::Uri>().is_ok().then(|| asking(text)));
                }
                for request in requests {
                    let answer = say(proxy.addr(), request.clone()).await;
                    assert!(answer.starts_with("HTTP/1.1 403 "), "{request}{answer}");
                    assert!(answer.contains("details=\"refused_address\""), "{request}{answer}");
                }
            }
        });
        canaries.assert_untouched();
    });
}

#[test]
fn a_name_that_changes_its_mind_is_connected_to_as_it_was_judged() {
    inside(|lab| {
        let canaries = lab.canaries(CANARY_PORTS);
        let server = redirector();
        let public: &[&str] = &[PUBLIC[0]];
        for name in ["client.test", "proxy.test"] {
            lab.dns().turns(name, &[public, &["127.0.0.1"]]);
        }
        for name in ["tunnel.test", "one-connection.test"] {
            lab.dns().turns(name, &[public, &["::1", "169.254.169.254"]]);
        }
        run(async {
            let client = Client::new(policy(&[])).unwrap();
            let url: Url = "http://client.test/".parse().unwrap();
            assert_eq!(get(&client, url.clone()).await.unwrap().body, "public");
            assert_eq!(lab.dns().asked("client.test"), 1, "for judging and connecting both");
            assert_eq!(get(&client, url).await.unwrap_err().code(), "refused_address");

            let proxy = proxy().await;
            let plain = asking("http://proxy.test/");
            assert!(say(proxy.addr(), plain.clone()).await.ends_with("public"));
            assert_eq!(lab.dns().asked("proxy.test"), 1);
            assert!(say(proxy.addr(), plain).await.starts_with("HTTP/1.1 403 "));

            let tunnel =
                "CONNECT tunnel.test:80 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: tunnel.test\r\n\r\n";
            assert!(say(proxy.addr(), tunnel).await.ends_with("public"));
            assert_eq!(lab.dns().asked("tunnel.test"), 1);
            assert!(say(proxy.addr(), tunnel).await.starts_with("HTTP/1.1 403 "));

            // The browser's own connection pins nothing: its second request is judged anew.
            let first = "GET http://one-connection.test/ HTTP/1.1\r\nHost: x\r\n\r\n";
            let second = asking("http://one-connection.test/");
            let answer = say(proxy.addr(), format!("{first}{second}")).await;
            assert!(answer.contains("publicHTTP/1.1 403 "), "{answer}");
        });
        assert_eq!(server.heads().len(), 4);
        canaries.assert_untouched();
    });
}

#[test]
fn a_connection_that_is_kept_stays_with_its_address() {
    inside(|lab| {
        let canaries = lab.canaries(CANARY_PORTS);
        let _server = Server::on((public_address(), 80).into(), |_, stream| {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npublic";
            stream.write_all(answer)?;
            // The beginning of the second request on the same connection.
            stream.read_exact(&mut [0; 16])?;
            stream.write_all(answer)
        });
        lab.dns().turns("kept.test", &[&[PUBLIC[0]], &["127.0.0.1"]]);
        run(async {
            let client = Client::new(policy(&[])).unwrap();
            for _ in 0..2 {
                let response = get(&client, "http://kept.test/".parse().unwrap()).await.unwrap();
                assert_eq!(response.body, "public");
            }
        });
        assert_eq!(lab.dns().asked("kept.test"), 1);
        canaries.assert_untouched();
    });
}

#[test]
fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    inside(|lab| {
        // Nobody listens on the one; nothing leads to the other.
        lab.dns()
            .answer("several.test", &[PUBLIC[1], "93.184.217.1", PUBLIC[0]]);
        let _server = redirector();
        run(async {
            let mut policy = policy(&[]);
            policy.limits.connect_timeout = Duration::from_secs(9);
            let client = Client::new(policy).unwrap();
            let response = get(&client, "http://several.test/".parse().unwrap()).await.unwrap();
            assert_eq!(response.body, "public");
        });
    });
}
