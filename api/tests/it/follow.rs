//! Following a job over HTTP: resumed, ended, left, and read slowly by many.
use domain::jobs;
use serde_json::{Value, json};
use std::{collections::HashSet, net::SocketAddr, time::Duration};
use testkit::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use uuid::Uuid;

use crate::app::{App, Got};

async fn scrape(app: &App) -> Uuid {
    let site = json!({ "url": "https://shop.example/", "max_pages": 5 });
    let made = app.post("/api/scrape", &site).bearer(&app.key).send().await.expect(202);
    made["job_id"].as_str().unwrap().parse().unwrap()
}

async fn cancel(app: &App, job: Uuid) {
    let cancel = app.post(&format!("/api/jobs/{job}/cancel"), &Value::Null);
    cancel.bearer(&app.key).send().await.expect(200);
}

async fn follow(app: &App, key: &str, job: Uuid, after: &str) -> Got {
    let follow = app.get(&format!("/api/jobs/{job}/events")).bearer(key);
    follow.header("last-event-id", after).send().await
}

async fn serve(app: &App) -> SocketAddr {
    let anywhere = ([127, 0, 0, 1], 0).into();
    api::serve(app.context.clone(), anywhere).await.unwrap()
}

/// A client whose system keeps as little as it can of what it has not read.
async fn connect(app: &App, server: SocketAddr, job: Uuid) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(server).await.unwrap();
    ask(&mut socket, app, job).await;
    socket
}

async fn ask(socket: &mut TcpStream, app: &App, job: Uuid) {
    let request = format!(
        "GET /api/jobs/{job}/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        app.key
    );
    socket.write_all(request.as_bytes()).await.unwrap();
}

/// A client that takes some MB as fast as they come, and comes back when a busy database lets it wait for too long.
async fn read_much(app: &App, server: SocketAddr, job: Uuid) {
    const MUCH: usize = 4 << 20;
    let (mut seen, mut piece) = (0, vec![0; 64 * 1024]);
    for _ in 0..100 {
        let mut socket = TcpStream::connect(server).await.unwrap();
        ask(&mut socket, app, job).await;
        loop {
            let read = socket.read(&mut piece).await.unwrap();
            seen += read;
            if seen >= MUCH {
                return;
            }
            if read == 0 {
                break;
            }
        }
    }
    panic!("only {seen} bytes came");
}

/// Bytes that the system holds for these clients: written by the server, and not read (`proc_pid_net(5)`).
fn waiting(clients: &[TcpStream]) -> u64 {
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next().unwrap(), 16).unwrap();
    let own: HashSet<u16> = clients.iter().map(|c| c.local_addr().unwrap().port()).collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let held = table.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (sent, received) = fields[4].split_once(':').unwrap();
        let bytes = |hex| u64::from_str_radix(hex, 16).unwrap();
        match (own.contains(&port(fields[1])), own.contains(&port(fields[2]))) {
            (true, _) => bytes(received),
            (_, true) => bytes(sent),
            _ => 0,
        }
    });
    held.sum()
}

async fn read_until(socket: &mut TcpStream, end: &str) {
    let mut seen = String::new();
    while !seen.contains(end) {
        let mut piece = [0; 1024];
        let read = socket.read(&mut piece).await.unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
}

/// As the server of Redis sees it.
async fn redis_connections(app: &App) -> usize {
    let mut redis = app.kit.dispatcher.redis();
    let mut list = redis::cmd("CLIENT");
    list.arg("LIST");
    list.query_async::<String>(&mut redis).await.unwrap().lines().count()
}

/// The memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_client_is_told_when_to_come_back_and_where_its_id_is_wrong() {
    let app = App::start().await;
    let job = scrape(&app).await;
    cancel(&app, job).await;
    let all = follow(&app, &app.key, job, "0").await;
    assert!(all.text.starts_with("retry: 2000\n\n"), "{}", all.text);
    let events = all.events();
    let kinds: Vec<&str> = events.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["queued", "cancelled"]);
    assert_eq!(follow(&app, &app.key, job, &events[0].1).await.events(), events[1..]);
    // By anything else a browser's `EventSource` would come back for ever (WHATWG HTML, section 9.2.3).
    let told = follow(&app, &app.key, job, &events[1].1).await;
    assert_eq!((told.status.as_u16(), told.text.as_str()), (204, ""));
    for wrong in ["", "x", "-1", "1.5", "99999999999999999999"] {
        let got = follow(&app, &app.key, job, wrong).await;
        assert_eq!(got.problem(400), "invalid_request", "{wrong}");
    }
    assert_eq!(follow(&app, &app.other_key, job, "0").await.problem(404), "not_found");
}

#[tokio::test]
async fn clients_that_leave_free_what_they_held() {
    let app = App::start().await;
    let server = serve(&app).await;
    let job = scrape(&app).await;
    let before = redis_connections(&app).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = connect(&app, server, job).await;
        read_until(&mut client, "event: queued").await;
        clients.push(client);
    }
    let open = async |n| (redis_connections(&app).await == before + n).then_some(());
    eventually("the connections for live events", || open(2)).await;
    drop(clients);
    eventually("them to be closed", || open(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_slow_clients_cost_little_memory() {
    const CLIENTS: u64 = 200;
    const EVENTS: usize = 2000;
    const KIB_EACH: u64 = 256;
    let app = App::with(&[("LIMIT_STREAMS", "300")]).await;
    // None of them is given up meanwhile.
    let pace = api::Pace {
        reader: Duration::from_hours(1),
        ..api::Pace::default()
    };
    let anywhere = ([127, 0, 0, 1], 0).into();
    let server = api::serve_at(app.context.clone(), anywhere, pace).await.unwrap();
    let job = scrape(&app).await;
    let tx = app.kit.db.tenant(&app.shop).await.unwrap();
    let data = json!({ "text": "x".repeat(8 * 1024) });
    for _ in 0..EVENTS {
        let told = jobs::record(&*tx, Some(app.shop.id), job, "progress", data.clone());
        told.await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut first = connect(&app, server, job).await;
    read_until(&mut first, "event: progress").await;
    drop(first);

    let before = resident();
    let mut clients = Vec::new();
    // Every client is served, and then nothing more is written for any of them while another one is served a lot.
    for _ in 0..CLIENTS {
        let mut client = connect(&app, server, job).await;
        client.read_u8().await.unwrap();
        clients.push(client);
    }
    let mut written = 0;
    while written != waiting(&clients) {
        written = waiting(&clients);
        read_much(&app, server, job).await;
    }
    let last = resident();
    let each = last.saturating_sub(before) / CLIENTS;
    eprintln!("{each} KiB for each of {CLIENTS} slow clients, {before} KiB before them");
    assert!(each <= KIB_EACH, "{each} KiB each");
}
