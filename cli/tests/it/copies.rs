//! `omniops backup` and `omniops restore`: what comes back, what must not, and what leaves everything as it was.
use domain::{
    jobs::Operator,
    privacy::{Privacy, Subject},
    tenancy::{Customer, Db, Scope},
};
use local_services::Runtime;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};
use testkit::Kit;
use uuid::Uuid;

use crate::process::{Folder, omniops, run, stderr, stdout};

async fn command(kit: &Kit, args: &[&str]) -> Output {
    let mut command = omniops();
    command.args(args).envs(&kit.variables);
    run(command).await
}

/// What must be found when nothing was restored by halves.
async fn count(query: &str, kit: &Kit) -> i64 {
    let owner = Db::connect_owner(&kit.config.database).await.expect("the database");
    let row = owner
        .query_one_raw(Statement::from_string(DbBackend::Postgres, query))
        .await;
    let count = row
        .expect("an answer")
        .expect("a row")
        .try_get_by_index(0)
        .expect("a count");
    owner.close().await.expect("the database");
    count
}

/// A visitor with a question; returns the session.
async fn visitor(kit: &Kit, of: &Customer, question: &str) -> Uuid {
    let [visitor, conversation, message, session] = [(); 4].map(|()| Uuid::now_v7());
    let of = of.id;
    let rows = [
        format!("INSERT INTO visitors (id, customer_id, session_id) VALUES ('{visitor}', '{of}', '{session}')"),
        format!(
            "INSERT INTO conversations (id, customer_id, visitor_id, session_id) VALUES ('{conversation}', '{of}', '{visitor}', '{session}')"
        ),
        format!(
            "INSERT INTO messages (id, customer_id, conversation_id, role, text) VALUES ('{message}', '{of}', '{conversation}', 'visitor', '{question}')"
        ),
    ];
    let tx = kit.db.system().await.expect("the database");
    for row in rows {
        tx.execute_raw(Statement::from_string(DbBackend::Postgres, row))
            .await
            .expect("the database");
    }
    tx.commit().await.expect("the database");
    session
}

async fn write(kit: &Kit, statements: &[String]) {
    let tx = kit.db.system().await.expect("the database");
    for statement in statements {
        tx.execute_raw(Statement::from_string(DbBackend::Postgres, statement))
            .await
            .expect("the database");
    }
    tx.commit().await.expect("the database");
}

/// Somebody with an account for these two, and a session.
async fn person(kit: &Kit, name: &str, of: [Uuid; 2]) -> Uuid {
    let id = Uuid::now_v7();
    let [one, two] = of;
    let rows = [
        format!(
            "INSERT INTO admin_users (id, email, name, password_hash, role, everywhere)
             VALUES ('{id}', '{name}@x.example', '{name}', 'old', 'viewer', false)"
        ),
        format!("INSERT INTO admin_user_customers (user_id, customer_id) VALUES ('{id}', '{one}'), ('{id}', '{two}')"),
        format!(
            "INSERT INTO admin_sessions (id, user_id, token_hash, began_at, seen_at, ends_at)
             VALUES ('{id}', '{id}', '{name}', now(), now(), now() + interval '1 hour')"
        ),
    ];
    write(kit, &rows).await;
    id
}

/// Plain SQL, as an operator's own script makes it.
fn plain_dump(kit: &Kit, file: &Path) {
    let program = Runtime::fetch(&Kit::cache())
        .expect("Postgres' programs")
        .postgres_program("pg_dump");
    let url = kit.services.superuser_url("postgres");
    let mut dump = std::process::Command::new(program);
    dump.env_clear().arg("--dbname").arg(url).arg("--file").arg(file);
    assert!(dump.status().expect("pg_dump").success());
}

const RULES: [&str; 3] = [
    "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated",
    "SELECT count(*) FROM pg_policies",
    "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity",
];

#[tokio::test]
async fn what_was_backed_up_comes_back_without_whom_was_forgotten_since() {
    let folder = Folder::new();
    let (log, file, plain) = ("erasures.log", "a.dump", "a.sql");
    let [log, file, plain] = [log, file, plain].map(|name| folder.path().join(name).display().to_string());
    let kit = Kit::with(&[("ERASURE_LOG", &log)]).await;
    let (shop, other) = (kit.customer("shop.example").await, kit.customer("other.example").await);
    kit.page(&shop, "Shipping", "Shipping costs 4.90 EUR.").await;
    let gone = visitor(&kit, &shop, "I am a secret.").await;
    visitor(&kit, &shop, "I stay.").await;
    visitor(&kit, &other, "I stay with the other.").await;
    let mut rules = Vec::new();
    for rule in RULES {
        rules.push(count(rule, &kit).await);
    }

    let written = command(&kit, &["backup", &file]).await;
    assert!(written.status.success(), "{}", stderr(&written));
    assert!(
        stdout(&written).contains("2 customers, 1 pages, 3 conversations"),
        "{}",
        stdout(&written)
    );
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!Path::new(&format!("{file}.part")).exists());
    let twice = command(&kit, &["backup", &file]).await;
    assert!(stderr(&twice).contains("is there already"), "{}", stderr(&twice));
    plain_dump(&kit, Path::new(&plain));

    let privacy = Privacy::new(kit.db.clone(), &kit.config);
    privacy
        .erase(&shop, &Subject::Session(gone), Operator::named("test"))
        .await
        .unwrap();
    visitor(&kit, &shop, "I come after the backup.").await;

    let careless = command(&kit, &["restore", &file]).await;
    assert!(stderr(&careless).contains("say --replace"), "{}", stderr(&careless));
    let early = command(&kit, &["restore", &file, "--replace"]).await;
    assert!(stderr(&early).contains("stop api, workers"), "{}", stderr(&early));
    kit.db.clone().close().await;
    for file in [&file, &plain] {
        let restored = command(&kit, &["restore", file, "--replace"]).await;
        let told = stdout(&restored);
        assert!(restored.status.success(), "{told}{}", stderr(&restored));
        assert!(told.contains("2 customers, 1 pages, 2 conversations"), "{told}");
        assert!(
            told.contains("1 erasures, 1 of them new to the database; 1 visitors had come back"),
            "{told}"
        );
        assert_eq!(
            count("SELECT count(*) FROM messages WHERE text LIKE 'I stay%'", &kit).await,
            2
        );
        assert_eq!(count("SELECT count(*) FROM messages", &kit).await, 2);
        assert_eq!(count("SELECT count(*) FROM erasures", &kit).await, 1);
        for (rule, before) in RULES.iter().zip(&rules) {
            assert_eq!(count(rule, &kit).await, *before, "{rule}");
        }
    }
    assert_eq!(
        count(
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'postgres_before_%'",
            &kit
        )
        .await,
        2
    );

    // The processes' login works with it, and each customer sees its own.
    let db = Db::connect(&kit.config.database).await.unwrap();
    let tx = db.tenant(&other).await.unwrap();
    let all = Statement::from_string(DbBackend::Postgres, "SELECT text FROM messages");
    let rows = tx.query_all_raw(all).await.unwrap();
    let texts: Vec<String> = rows.iter().map(|row| row.try_get("", "text").unwrap()).collect();
    assert_eq!(texts, ["I stay with the other."]);
    let stray = format!(
        "INSERT INTO conversations (id, customer_id, visitor_id, session_id) VALUES ('{0}', '{1}', '{0}', '{0}')",
        Uuid::now_v7(),
        other.id
    );
    let refused = tx.execute_raw(Statement::from_string(DbBackend::Postgres, stray)).await;
    assert!(refused.unwrap_err().to_string().contains("foreign key"));
}

#[tokio::test]
async fn what_was_taken_back_since_the_backup_stays_taken_back() {
    let folder = Folder::new();
    let file = folder.path().join("a.dump").display().to_string();
    let kit = Kit::start().await;
    let (shop, other) = (kit.customer("shop.example").await, kit.customer("other.example").await);
    kit.key(&shop, &[Scope::Search]).await;
    kit.key(&shop, &[Scope::Chat]).await;
    let of = [shop.id, other.id];
    let (stays, closed, leaves) = (
        person(&kit, "ada", of).await,
        person(&kit, "bob", of).await,
        person(&kit, "eve", of).await,
    );
    let written = command(&kit, &["backup", &file]).await;
    assert!(written.status.success(), "{}", stderr(&written));

    let since = [
        "UPDATE api_keys SET revoked_at = now() WHERE scopes = '{chat}'".to_owned(),
        format!("DELETE FROM admin_users WHERE id = '{leaves}'"),
        format!("UPDATE admin_users SET disabled_at = now() WHERE id = '{closed}'"),
        format!("UPDATE admin_users SET password_hash = 'new' WHERE id = '{stays}'"),
        format!(
            "DELETE FROM admin_user_customers WHERE user_id = '{stays}' AND customer_id = '{}'",
            shop.id
        ),
    ];
    write(&kit, &since).await;
    kit.db.clone().close().await;
    let restored = command(&kit, &["restore", &file, "--replace"]).await;
    let told = stdout(&restored);
    assert!(restored.status.success(), "{told}{}", stderr(&restored));
    assert!(
        told.contains("1 keys stay revoked, 1 removed accounts are closed"),
        "{told}"
    );
    let is_open = "FROM admin_users WHERE disabled_at IS NULL";
    let customers = "FROM admin_user_customers WHERE user_id";
    for (query, expected) in [
        ("FROM api_keys WHERE revoked_at IS NULL".to_owned(), 1),
        ("FROM admin_users".to_owned(), 3),
        (is_open.to_owned(), 1),
        (format!("{is_open} AND id = '{stays}' AND password_hash = 'new'"), 1),
        (format!("{customers} = '{stays}'"), 1),
        (format!("{customers} = '{stays}' AND customer_id = '{}'", other.id), 1),
        ("FROM admin_sessions".to_owned(), 0),
    ] {
        assert_eq!(
            count(&format!("SELECT count(*) {query}"), &kit).await,
            expected,
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_can_t_be_restored_leaves_everything_as_it_was() {
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let kit = Kit::start().await;
    let shop = kit.customer("shop.example").await;
    visitor(&kit, &shop, "I stay.").await;
    let good = command(&kit, &["backup", &at("good.dump")]).await;
    assert!(good.status.success(), "{}", stderr(&good));
    plain_dump(&kit, Path::new(&at("good.sql")));
    for (whole, torn) in [("good.dump", "torn.dump"), ("good.sql", "torn.sql")] {
        let bytes = fs::read(at(whole)).unwrap();
        fs::write(at(torn), &bytes[..bytes.len() * 9 / 10]).unwrap();
    }
    fs::write(at("no.dump"), "something else").unwrap();
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    let later = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20991231_000099_later', 0)";
    owner.execute_unprepared(later).await.unwrap();
    let newer = command(&kit, &["backup", &at("newer.dump")]).await;
    assert!(newer.status.success(), "{}", stderr(&newer));
    let now = "DELETE FROM seaql_migrations WHERE version LIKE 'm2099%'";
    owner.execute_unprepared(now).await.unwrap();
    owner.close().await.unwrap();
    kit.db.clone().close().await;

    for (name, why) in [
        ("torn.dump", "nothing was restored"),
        ("torn.sql", "is torn"),
        ("no.dump", "neither an archive nor plain SQL"),
        ("newer.dump", "m20991231_000099_later"),
        ("none.dump", "opening"),
    ] {
        let refused = command(&kit, &["restore", &at(name), "--replace"]).await;
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(stderr(&refused).contains(why), "{name}: {}", stderr(&refused));
        assert_eq!(count("SELECT count(*) FROM messages", &kit).await, 1, "{name}");
        let others = "SELECT count(*) FROM pg_database WHERE datname LIKE 'postgres_%'";
        assert_eq!(count(others, &kit).await, 0, "{name}");
    }
    // Programs that are too old for the server, and no way to the private ones.
    let mut poor = omniops();
    poor.args(["backup", &at("poor.dump")]).envs(&kit.variables);
    poor.env("OMNIOPS_CACHE_DIR", at("good.sql")).env("PATH", "/nowhere");
    let poor = run(poor).await;
    assert!(stderr(&poor).contains("no pg_dump of PostgreSQL"), "{}", stderr(&poor));
    assert!(!Path::new(&at("poor.dump")).exists());
}
