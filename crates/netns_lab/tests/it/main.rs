//! The lab does what it says: every canary can be hit, names resolve as told, nothing leads outside, failures come back.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    panic::catch_unwind,
};

use netns_lab::{PRIVATE, PUBLIC, inside};

#[test]
fn every_canary_notices_an_unguarded_client() {
    inside(|lab| {
        let canaries = lab.canaries(&[80, 8080]);
        canaries.assert_untouched();
        for host in PRIVATE {
            let place = SocketAddr::new(host.parse().unwrap(), 8080);
            TcpStream::connect(place).unwrap();
            let here: SocketAddr = if place.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
            UdpSocket::bind(here).unwrap().send_to(b"x", place).unwrap();
            let hits = canaries.hits();
            assert_eq!(hits.iter().map(|hit| hit.address).collect::<Vec<_>>(), [place, place]);
        }
        canaries.assert_untouched();
    });
}

#[test]
fn names_resolve_as_told_by_turns_and_aliases() {
    inside(|lab| {
        lab.dns().answer("shop.test", &[PUBLIC[0], PUBLIC[2]]);
        lab.dns().answer("alias.test", &["inside.test"]);
        lab.dns().answer("inside.test", &["10.0.0.5"]);
        lab.dns().turns("rebind.test", &[&[PUBLIC[0]], &["127.0.0.1"]]);
        let ask = |name: &str| -> Vec<String> {
            let found = (name, 80).to_socket_addrs().unwrap();
            let mut found: Vec<_> = found.map(|address| address.ip().to_string()).collect();
            found.sort();
            found.dedup();
            found
        };
        assert_eq!(ask("shop.test"), [PUBLIC[2], PUBLIC[0]]);
        assert_eq!(ask("alias.test"), ["10.0.0.5"]);
        assert_eq!(ask("rebind.test"), [PUBLIC[0]]);
        assert_eq!(ask("rebind.test"), ["127.0.0.1"]);
        assert_eq!(ask("rebind.test"), ["127.0.0.1"]);
        assert_eq!(lab.dns().asked("rebind.test"), 3);
        ("unknown.test", 80).to_socket_addrs().unwrap_err();
        assert!(lab.dns().names().contains(&"unknown.test".to_owned()));
    });
}

#[test]
fn there_is_no_way_out() {
    inside(|_| {
        let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
        let error = TcpStream::connect((elsewhere, 80)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NetworkUnreachable);
    });
}

#[test]
fn a_failure_inside_fails_the_test() {
    let failed = catch_unwind(|| inside(|_| panic!("as it should")));
    // Within the namespace, the panic itself ends the child's test.
    let message = *failed
        .unwrap_err()
        .downcast::<String>()
        .unwrap_or_else(|other| std::panic::resume_unwind(other));
    assert!(message.contains("as it should"), "{message}");
}
