//! What survives which end of the servers.

use local_services::{Options, Server, Services};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{eventually, folder, is_gone, postgres, redis, runtime, start};

async fn write(services: &Services) {
    let statement = "create table kept as select 'row' as value";
    sqlx::raw_sql(statement)
        .execute(&mut postgres(services).await)
        .await
        .expect("write a row");
    let mut valkey = redis(services).await;
    redis::cmd("SET")
        .arg(&["kept", "value"])
        .exec_async(&mut valkey)
        .await
        .expect("write a key");
}

async fn assert_kept(services: &Services) {
    let row: String = sqlx::query_scalar("select value from kept")
        .fetch_one(&mut postgres(services).await)
        .await
        .expect("read");
    assert_eq!(row, "row");
    let key: String = redis::cmd("GET")
        .arg("kept")
        .query_async(&mut redis(services).await)
        .await
        .expect("read");
    assert_eq!(key, "value");
}

#[tokio::test]
async fn durable_data_survives_stop_and_start() {
    let state = folder("state");
    let services = start(&Options::durable(&state.path));
    write(&services).await;
    let pids = [Server::Postgres, Server::Valkey].map(|server| services.pid(server).expect("running"));
    services.stop().expect("stop");
    assert!(pids.into_iter().all(is_gone));

    let services = start(&Options::durable(&state.path));
    assert_kept(&services).await;
}

#[tokio::test]
async fn dropping_stops_and_a_fast_state_folder_goes() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));
    let pids = [Server::Postgres, Server::Valkey].map(|server| services.pid(server).expect("running"));

    drop(services);

    assert!(pids.into_iter().all(is_gone));
    assert!(!state.path.exists());
}

#[tokio::test]
async fn single_servers_are_stopped_and_started_with_their_data() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));
    write(&services).await;

    for server in [Server::Postgres, Server::Valkey] {
        let before = services.pid(server).expect("running");
        services.stop_server(server).expect("stop");
        assert_eq!(services.pid(server), None);
        assert!(is_gone(before));
        services.start_server(server).expect("start");
        assert_ne!(services.pid(server), Some(before));
    }

    assert_kept(&services).await;
}

#[tokio::test]
async fn killed_servers_start_again_at_once() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));
    write(&services).await;

    for server in [Server::Postgres, Server::Valkey] {
        services.kill_server(server).expect("kill");
        services.start_server(server).expect("start");
    }

    assert_kept(&services).await;
}

#[tokio::test]
async fn two_instances_run_side_by_side() {
    let (one, other) = (folder("state"), folder("state"));
    let one = start(&Options::fast(&one.path));
    let other = start(&Options::fast(&other.path));
    write(&one).await;

    let found: Option<String> = redis::cmd("GET")
        .arg("kept")
        .query_async(&mut redis(&other).await)
        .await
        .expect("read");
    assert_eq!(found, None);
    write(&other).await;
    assert_kept(&one).await;
}

#[tokio::test]
async fn a_second_owner_is_refused() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));

    let error = Services::start(&runtime(), &Options::fast(&state.path))
        .expect_err("refused")
        .to_string();

    assert!(error.contains("already running"), "{error}");
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    write(&services).await;
    assert_kept(&services).await;
}

#[tokio::test]
async fn a_server_that_ended_by_itself_is_noticed_and_started_again() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));
    write(&services).await;
    services.check().expect("both run");

    for server in [Server::Postgres, Server::Valkey] {
        let pid = services.pid(server).expect("running");
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
        let mut error = None;
        eventually("it is noticed", || {
            error = services.check().err();
            error.is_some()
        });
        let error = error.expect("noticed").to_string();
        assert!(error.contains("has ended (signal: 9 (SIGKILL))"), "{error}");
        services.start_server(server).expect("start");
    }

    services.check().expect("both run");
    assert_kept(&services).await;
}
