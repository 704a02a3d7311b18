//! Clients reach the servers with the URLs as given, and the extensions work.

use local_services::{Options, Services};
use sqlx::Connection as _;

use crate::support::{folder, postgres, redis, start};

#[tokio::test]
async fn clients_connect_with_the_urls() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));

    let mut connection = postgres(&services).await;
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(&mut connection)
        .await
        .expect("query");
    assert_eq!(version / 10_000, 18);

    sqlx::raw_sql("create role app login")
        .execute(&mut connection)
        .await
        .expect("role");
    sqlx::raw_sql("create database shop owner app")
        .execute(&mut connection)
        .await
        .expect("database");
    let mut app = sqlx::PgConnection::connect(&services.url("app", "shop"))
        .await
        .expect("connect as app");
    let user: String = sqlx::query_scalar("select current_user::text")
        .fetch_one(&mut app)
        .await
        .expect("query");
    assert_eq!(user, "app");

    let mut valkey = redis(&services).await;
    let entry: String = ::redis::cmd("XADD")
        .arg(&["s", "*", "k", "v"])
        .query_async(&mut valkey)
        .await
        .expect("XADD");
    assert!(entry.contains('-'), "{entry}");
}

#[tokio::test]
async fn paths_with_unusual_characters_work() {
    let state = folder("a b'ü #?%41");
    let services = start(&Options::durable(&state.path));

    assert!(services.sockets().starts_with(services.state()));
    assert_both_answer(&services).await;
    services.stop().expect("stop");
    assert!(state.path.join("servers/valkey").is_dir());
}

#[tokio::test]
async fn paths_that_do_not_suit_sockets_get_them_elsewhere() {
    for name in ["long/".repeat(30).as_str(), "a, \"b\""] {
        let state = folder(name);
        let services = start(&Options::durable(&state.path));
        let sockets = services.sockets().to_owned();

        assert!(!sockets.starts_with(services.state()), "{}", sockets.display());
        assert_both_answer(&services).await;

        services.stop().expect("stop");
        assert!(!sockets.exists() && state.path.is_dir());
    }
}

async fn assert_both_answer(services: &Services) {
    postgres(services).await.ping().await.expect("PostgreSQL answers");
    let pong: String = ::redis::cmd("PING")
        .query_async(&mut redis(services).await)
        .await
        .expect("Valkey answers");
    assert_eq!(pong, "PONG");
}

#[tokio::test]
async fn vectors_are_indexed_and_found() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));
    let mut connection = postgres(&services).await;

    let setup = "
        create extension vector;
        create table points (id int, at halfvec(3));
        insert into points select i, array[i, 1, 0]::real[]::halfvec from generate_series(1, 200) as i;
        create index on points using hnsw (at halfvec_l2_ops);
        set enable_seqscan = off;
    ";
    sqlx::raw_sql(setup).execute(&mut connection).await.expect("set up");
    let nearest: Vec<i32> = sqlx::query_scalar("select id from points order by at <-> '[42,1,0]' limit 1")
        .fetch_all(&mut connection)
        .await
        .expect("query");
    assert_eq!(nearest, [42]);
}

#[tokio::test]
async fn trigrams_and_case_know_cyrillic() {
    let state = folder("state");
    let services = start(&Options::fast(&state.path));
    let mut connection = postgres(&services).await;
    sqlx::raw_sql("create extension pg_trgm")
        .execute(&mut connection)
        .await
        .expect("extension");

    let query = "select similarity('Доставка', 'доставки'), lower('ДОСТАВКА'), array_length(show_trgm('运费'), 1)";
    let (similarity, lower, trigrams): (f32, String, Option<i32>) =
        sqlx::query_as(query).fetch_one(&mut connection).await.expect("query");
    assert!(similarity > 0.5, "{similarity}");
    assert_eq!(lower, "доставка");
    assert!(trigrams > Some(0), "{trigrams:?}");
}
