//! What an address can ask for: a database, a user, TLS.

use crate::{LIMITS, get, is_unsent, link, ping, set};
use redis::{Script, cmd, pipe};
use redis_link::{Address, Link};
use valkey_lab::{Authority, Proxy, Server};

#[tokio::test]
async fn commands_pipelines_and_scripts_go_over_a_link() {
    let server = Server::start().await;
    let mut link = link(&server.url());
    set(&link, "1").await.unwrap();
    let (sum, text): (u64, String) = pipe()
        .cmd("INCR")
        .arg("key")
        .cmd("GET")
        .arg("key")
        .query_async(&mut link)
        .await
        .unwrap();
    assert_eq!((sum, text.as_str()), (2, "2"));
    // The server does not know the script before, and forgets it in between.
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    for expected in [5, 8] {
        let sum: u64 = script.key("key").arg(3).invoke_async(&mut link).await.unwrap();
        assert_eq!(sum, expected);
        server.command::<()>("SCRIPT FLUSH").await;
    }
}

#[tokio::test]
async fn a_link_reads_and_writes_in_its_database() {
    let server = Server::start().await;
    let other = link(&format!("{}?db=3", server.url()));
    set(&other, "three").await.unwrap();
    assert_eq!(get(&link(&server.url())).await.unwrap(), None);
    let proxy = Proxy::to(&server).await;
    let same = link(&format!("redis://127.0.0.1:{}/3", proxy.port()));
    assert_eq!(get(&same).await.unwrap().as_deref(), Some("three"));
    assert_eq!(redis::aio::ConnectionLike::get_db(&same), 3);
}

#[tokio::test]
async fn a_link_logs_in_as_its_user() {
    let server = Server::start().await;
    server.command::<()>("ACL SETUSER app on >p@ss ~key +set").await;
    server.command::<()>("CONFIG SET requirepass other").await;
    let proxy = Proxy::to(&server).await;
    let app = link(&format!("redis://app:p%40ss@127.0.0.1:{}", proxy.port()));
    set(&app, "app's").await.unwrap();
    assert_eq!(get(&app).await.unwrap_err().code(), Some("NOPERM"));

    // As the default user, and over the socket.
    let default = link(&format!("redis://:other@127.0.0.1:{}", proxy.port()));
    assert_eq!(get(&default).await.unwrap().as_deref(), Some("app's"));
    set(&link(&format!("{}?user=app&pass=p%40ss", server.url())), "again")
        .await
        .unwrap();

    let url = format!("redis://app:wrong@127.0.0.1:{}", proxy.port());
    let error = ping(&link(&url)).await.unwrap_err().to_string();
    assert!(error.contains("WRONGPASS") && !error.contains(":wrong@"), "{error}");
    let dedicated = Address::parse(&url).unwrap().dedicated(LIMITS).await;
    assert!(dedicated.is_err());
}

#[tokio::test]
async fn a_link_speaks_tls_with_whom_it_trusts_only() {
    let (server, authority) = (Server::start().await, Authority::new());
    let proxy = Proxy::tls(&server, &authority, "127.0.0.1").await;
    let trusting = |ca: &Authority| format!("rediss://127.0.0.1:{}?ca={}", proxy.port(), ca.pem().display());

    let address = Address::parse(&trusting(&authority)).unwrap();
    set(&Link::new(address.clone(), LIMITS), "secret").await.unwrap();
    let mut dedicated = address.dedicated(LIMITS).await.unwrap();
    let value: String = cmd("GET").arg("key").query_async(&mut dedicated).await.unwrap();
    assert_eq!(value, "secret");

    for (url, expected) in [
        (trusting(&Authority::new()), "certificate"),
        (format!("rediss://127.0.0.1:{}", proxy.port()), "UnknownIssuer"),
        (
            format!("rediss://localhost:{}?ca={}", proxy.port(), authority.pem().display()),
            "not valid for name",
        ),
        (format!("rediss://127.0.0.1:{}?ca=/no/file", proxy.port()), "/no/file"),
        (
            format!("rediss://127.0.0.1:{}?ca=/proc/version", proxy.port()),
            "no certificate",
        ),
        (
            format!(
                "rediss://127.0.0.1:{}?ca={}",
                Proxy::to(&server).await.port(),
                authority.pem().display()
            ),
            "",
        ),
    ] {
        let refused = ping(&link(&url)).await;
        assert!(is_unsent(&refused), "{url}: {refused:?}");
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
    }
}
