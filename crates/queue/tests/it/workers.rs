//! Workers inside the test (a Monitor with one worker) and as a process of their own, and what becomes of their entries when
//! they stop, are killed, or freeze.

use crate::{
    server::{STREAM, Server, Stream as _, ends, signal, until},
    work::{Work, errand, errands, handle},
};
use apalis::prelude::{Monitor, MonitorContext, MonitorError, WorkerBuilder, WorkerBuilderExt as _};
use queue::{Address, Config, Health, Queue};
use std::{
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

/// For tests in which no lease may end: what is lost for a lease is lost for longer than the test waits.
pub fn config(concurrency: usize) -> Config {
    Config {
        lease: Duration::from_mins(10),
        block: Duration::from_secs(1),
        ..Config::new(STREAM, concurrency)
    }
}

pub fn short_lease(concurrency: usize) -> Config {
    Config {
        lease: Duration::from_millis(2400),
        ..config(concurrency)
    }
}

pub struct Worker {
    pub health: Health,
    restarts: Arc<AtomicUsize>,
    monitor: MonitorContext,
    task: JoinHandle<Result<(), MonitorError>>,
}

impl Worker {
    pub fn start(server: &Server, config: Config, work: &Work) -> Self {
        Self::at(&server.url(), config, work)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "joined in `stop`, or ends with the test's runtime"
    )]
    pub fn at(url: &str, config: Config, work: &Work) -> Self {
        let (address, work, health) = (Address::parse(url).unwrap(), work.clone(), Health::default());
        let restarts = Arc::new(AtomicUsize::new(0));
        let (reported, counted) = (health.clone(), restarts.clone());
        let monitor = Monitor::new()
            .register(move |restarts| {
                let queue = Queue::with_health(address.clone(), config.clone(), reported.clone());
                WorkerBuilder::new(format!("worker-{restarts}"))
                    .backend(queue)
                    .concurrency(config.concurrency)
                    .data(work.clone())
                    .build(handle)
            })
            .should_restart(move |_, _| counted.fetch_add(1, SeqCst) < 10);
        let context = monitor.context();
        Self {
            health,
            restarts,
            monitor: context,
            task: tokio::spawn(monitor.run()),
        }
    }

    /// What SIGTERM does.
    pub fn begin_shutdown(&self) {
        self.monitor.shutdown().unwrap();
    }

    pub async fn stop(self) {
        self.begin_shutdown();
        self.ended().await;
    }

    pub async fn ended(self) {
        ends("the worker stops", self.task).await.unwrap().unwrap();
    }

    /// Fails if the worker ended or had to be started again.
    pub fn assert_unharmed(&self) {
        assert!(!self.task.is_finished(), "the worker ended");
        assert_eq!(self.restarts.load(SeqCst), 0, "the worker was restarted");
        assert!(self.health.is_running());
    }
}

/// `examples/worker.rs`, with the lease of [`short_lease`].
struct WorkerProcess {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl WorkerProcess {
    fn start(server: &Server, job: Duration) -> Self {
        let mut process = Command::new(example("worker"))
            .args([server.url(), STREAM.to_owned()])
            .args([short_lease(1).lease, job].map(|time| time.as_millis().to_string()))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, output }
    }

    fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// Waits for the next line of output.
    async fn says(&mut self, line: &str) {
        let said = ends(&format!("the process says {line}"), self.output.next_line()).await;
        assert_eq!(said.unwrap().as_deref(), Some(line));
    }
}

/// Where Cargo puts an example's program, relative to that of the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_publishes_and_works() {
    let server = Server::start().await;
    let ran = Command::new(example("hello")).env("REDIS_URL", server.url()).output();
    let ran = ends("the example ends", ran).await.unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{said}");
    let mut lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.pop(), Some("0 left"));
    lines.sort_unstable();
    assert_eq!((lines.len(), lines[0], lines[9]), (10, "hello, 1", "hello, 9"));
    assert_eq!(server.command::<u64>("XLEN queue:{greetings}").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_room_notices_a_dead_connection() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&[errand("gated", 1)]).await;
    // Renewals come more often than the reader looks at its connection.
    let worker = Worker::start(&server, short_lease(1), &work);
    work.until_begun(1).await;
    server.command::<u64>("CLIENT KILL TYPE normal").await;
    let consumer = server.stats().await.consumers.remove(0).name;
    until("the reader is back", async || {
        let clients: String = server.command("CLIENT LIST").await;
        clients.contains(&format!(" name={consumer} "))
    })
    .await;
    work.open_gate(1);
    work.until_ended(1).await;
    worker.stop().await;
    work.assert_each_once(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_job_keeps_its_lease_and_so_do_those_waiting_behind_it() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&errands("nap 6000", 4)).await;
    // Two that would take anything whose lease ends.
    let one = Worker::start(
        &server,
        Config {
            prefetch: 1,
            ..short_lease(1)
        },
        &work,
    );
    let other = Worker::start(
        &server,
        Config {
            prefetch: 1,
            ..short_lease(1)
        },
        &work,
    );
    work.until_ended(4).await;
    one.stop().await;
    other.stop().await;
    work.assert_each_once(4);
    assert_eq!(server.stats().await.held, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_of_a_killed_process_runs_again_and_its_consumer_goes() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&[errand("ok", "orphan")]).await;
    let mut doomed = WorkerProcess::start(&server, Duration::from_mins(10));
    doomed.says("begin orphan").await;
    let orphaned = server.stats().await.consumers.remove(0).name;
    let worker = Worker::start(&server, short_lease(1), &work);
    doomed.process.kill().await.unwrap();
    work.until_ended(1).await;
    until("the dead consumer is forgotten", async || {
        server
            .stats()
            .await
            .consumers
            .iter()
            .all(|consumer| consumer.name != orphaned)
    })
    .await;
    // An idle living consumer may have been forgotten with it, and comes back with the next errand.
    server.publish(&[errand("ok", "later")]).await;
    work.until_ended(2).await;
    work.assert_each_once(2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_the_running_finish_and_hands_back_the_rest() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&errands("gated", 5)).await;
    let leaving = Worker::start(
        &server,
        Config {
            prefetch: 3,
            ..config(2)
        },
        &work,
    );
    until("it holds all", async || server.stats().await.held == 5).await;
    work.until_begun(2).await;

    leaving.begin_shutdown();
    let staying = Worker::start(&server, config(3), &work);
    work.until_begun(5).await;
    assert!(!leaving.task.is_finished(), "it must wait for the two that run");
    work.open_gate(5);
    leaving.ended().await;
    work.until_ended(5).await;
    work.assert_each_once(5);
    until("all are acknowledged", async || server.stats().await.held == 0).await;
    assert_eq!(
        server.stats().await.consumers.len(),
        1,
        "who stopped has left the group"
    );
    staying.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_dropped_leaves_the_group_as_well() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&errands("gated", 3)).await;
    let worker = Worker::start(
        &server,
        Config {
            prefetch: 1,
            ..config(1)
        },
        &work,
    );
    until("it holds two", async || server.stats().await.held == 2).await;
    // As Monitor drops a worker that it starts again.
    worker.task.abort();
    until("all are handed back", async || server.stats().await.waiting == 3).await;
    until("it has left", async || server.stats().await.consumers.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_shows_that_it_lives() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&[errand("gated", 1)]).await;
    let worker = Worker::start(
        &server,
        Config {
            block: Duration::from_millis(50),
            ..config(1)
        },
        &work,
    );
    work.until_begun(1).await;
    // No room, so nothing is read; and what is held is renewed, not asked after.
    let (reads, pings) = (server.calls("xreadgroup").await, server.calls("ping").await);
    until("the reader has asked for an answer", async || {
        server.calls("ping").await >= pings + 3
    })
    .await;
    assert_eq!(server.calls("xreadgroup").await, reads);
    assert!(worker.health.reader_silence().unwrap() < worker.health.keeper_silence().unwrap());
    work.open_gate(1);
    work.until_ended(1).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_back_does_not_reach_the_reader_that_left() {
    let server = Server::start().await;
    let work = Work::new();
    // One runs, one waits, and there is room for more: the reader blocks.
    server.publish(&errands("gated", 2)).await;
    let leaving = Worker::start(
        &server,
        Config {
            prefetch: 3,
            ..config(1)
        },
        &work,
    );
    until("it holds both", async || server.stats().await.held == 2).await;
    server.wait_for_blocked_reader().await;
    leaving.begin_shutdown();
    until("one is handed back", async || server.stats().await.waiting == 1).await;
    work.open_gate(2);
    leaving.ended().await;
    let staying = Worker::start(&server, config(1), &work);
    work.until_ended(2).await;
    work.assert_each_once(2);
    staying.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_another_was_given_is_not_acknowledged() {
    let server = Server::start().await;
    let work = Work::new();
    server
        .publish(&[errand("gated", "taken away"), errand("gated", "kept")])
        .await;
    let worker = Worker::start(&server, config(2), &work);
    work.until_begun(2).await;
    let (entry, _) = oldest_held(&server).await;
    let key = Config::key(STREAM);
    server
        .command::<redis::Value>(&format!("XCLAIM {key} workers other 0 {entry} JUSTID"))
        .await;
    work.open_gate(2);
    work.until_ended(2).await;
    until("one is acknowledged", async || server.stats().await.held == 1).await;
    worker.stop().await;
    assert_eq!(oldest_held(&server).await, (entry, "other".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_does_not_steal_back() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&[errand("gated", "taken away")]).await;
    // Renewed every 2 s, so that the other's lease has not ended when this worker renews.
    let worker = Worker::start(
        &server,
        Config {
            lease: Duration::from_secs(6),
            ..config(1)
        },
        &work,
    );
    work.until_begun(1).await;
    let (entry, _) = oldest_held(&server).await;
    let key = Config::key(STREAM);
    server
        .command::<redis::Value>(&format!("XCLAIM {key} workers other 0 {entry} JUSTID"))
        .await;
    let given = Instant::now();
    until("it has renewed", async || {
        worker.health.keeper_silence().unwrap() < given.elapsed()
    })
    .await;
    assert_eq!(oldest_held(&server).await, (entry, "other".to_owned()));
    work.open_gate(1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_stops_although_its_read_is_blocked() {
    let server = Server::start().await;
    let worker = Worker::start(
        &server,
        Config {
            block: Duration::from_mins(10),
            ..config(1)
        },
        &Work::new(),
    );
    server.wait_for_blocked_reader().await;
    let health = worker.health.clone();
    assert!(health.is_running() && health.reader_silence().is_some() && health.keeper_silence().is_some());
    worker.stop().await;
    assert!(!health.is_running());
    assert_eq!(server.stats().await.consumers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_frozen_longer_than_its_lease_does_not_steal_back() {
    let server = Server::start().await;
    let work = Work::new();
    server.publish(&[errand("gated", "first")]).await;
    let mut frozen = WorkerProcess::start(&server, 2 * short_lease(1).lease);
    frozen.says("begin first").await;
    signal("STOP", frozen.pid());

    let heir = Worker::start(&server, short_lease(1), &work);
    work.until_begun(1).await;
    let held = oldest_held(&server).await;
    signal("CONT", frozen.pid());
    // Its handler ends with Ok, and another job of two leases means several renewals.
    frozen.says("end first").await;
    server.publish(&[errand("gated", "second")]).await;
    frozen.says("begin second").await;
    frozen.says("end second").await;
    until("only the heir holds something", async || server.stats().await.held == 1).await;
    assert_eq!(oldest_held(&server).await, held, "the entry changed hands");

    work.open_gate(1);
    work.until_ended(1).await;
    heir.stop().await;
    assert_eq!(server.stats().await.held, 0);
    work.assert_each_once(1);
}

/// The oldest held entry and who holds it.
async fn oldest_held(server: &Server) -> (String, String) {
    let mut held: Vec<(String, String, u64, u64)> = server
        .command(&format!("XPENDING {} workers - + 1", Config::key(STREAM)))
        .await;
    let (entry, consumer, ..) = held.remove(0);
    (entry, consumer)
}
