//! Who was forgotten stays so; the data map knows every column; nothing is kept for longer than it says.
use domain::{
    jobs::Operator,
    privacy::{
        Bounds, Copy, ErasureLog, Privacy, Subject,
        map::{Data, Erase, tables},
        replay_erasures, retention, session_hash, sync_log,
    },
    tenancy::{Customer, Db, Scope},
};
use local_services::Runtime;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};
use testkit::{Kit, eventually};
use uuid::Uuid;

const BY: Operator<'static> = Operator {
    actor: "test",
    ip: None,
};
const ADA: &str = "ada@mail.example";

fn statement(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}

async fn run(db: &Db, text: &str) {
    let tx = db.system().await.unwrap();
    for part in text.split(";\n").filter(|part| !part.trim().is_empty()) {
        tx.execute_raw(statement(part)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn count(db: &Db, query: &str) -> i64 {
    let tx = db.system().await.unwrap();
    let row = tx.query_one_raw(statement(query)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// A visitor with a conversation of a question and an answer, as old as `days`; returns the session.
async fn visitor(db: &Db, customer: &Customer, email: Option<&str>, days: u32, question: &str) -> Uuid {
    let (visitor, conversation, session) = (id(days), id(days), Uuid::now_v7());
    let (asked, answered) = (id(days), id(days));
    let (of, age) = (customer.id, format!("now() - interval '{days} days'"));
    let email = email.map_or("NULL, NULL, NULL".to_owned(), |email| {
        let key = domain::privacy::email_key(email).unwrap();
        format!("'{email}', '{key}', {age}")
    });
    run(
        db,
        &format!(
            "INSERT INTO visitors (id, customer_id, session_id, created_at, email, email_key, email_at)
               VALUES ('{visitor}', '{of}', '{session}', {age}, {email});\n
             INSERT INTO conversations (id, customer_id, visitor_id, session_id, created_at, updated_at)
               VALUES ('{conversation}', '{of}', '{visitor}', '{session}', {age}, {age});\n
             INSERT INTO messages (id, customer_id, conversation_id, role, text, created_at) VALUES
               ('{asked}', '{of}', '{conversation}', 'visitor', '{question}', {age}),
               ('{answered}', '{of}', '{conversation}', 'assistant', 'An answer.', {age});\n
             INSERT INTO answer_receipts (message_id, customer_id, model, prompt_version, passages, timings, standalone_question)
               VALUES ('{answered}', '{of}', 'extractive', '1', '[]', '{{}}', '{question}');\n
             INSERT INTO conversation_events (customer_id, conversation_id, kind, message_id)
               VALUES ('{of}', '{conversation}', 'message', '{asked}');\n"
        ),
    )
    .await;
    session
}

/// An id as old as `days`.
fn id(days: u32) -> Uuid {
    let now = domain::clock::Clock::system().now();
    let at = (now - time::Duration::days(days.into())).unix_timestamp();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, at as u64, 0))
}

struct House {
    kit: Kit,
    shop: Customer,
    privacy: Privacy,
    log: PathBuf,
}

impl House {
    async fn new() -> Self {
        let log = std::env::temp_dir().join(format!("omniops-erasures-{}", Uuid::now_v7().simple()));
        let kit = Kit::with(&[("ERASURE_LOG", log.to_str().unwrap())]).await;
        let shop = kit.customer("shop.example").await;
        let privacy = Privacy::new(kit.db.clone(), &kit.config);
        Self {
            kit,
            shop,
            privacy,
            log,
        }
    }

    async fn erase(&self, subject: &Subject) -> domain::privacy::Erased {
        self.privacy.erase(&self.shop, subject, BY).await.unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.log);
    }
}

#[tokio::test]
async fn the_data_map_knows_every_table_and_every_column_that_can_hold_something() {
    const COLUMNS: &str = "
        SELECT c.relname::text AS of, a.attname::text AS name, format_type(a.atttypid, NULL) AS kind
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'seaql_migrations'";
    /// They hold a number, a moment or an id, and nothing else.
    const PLAIN: [&str; 10] = [
        "uuid",
        "uuid[]",
        "integer",
        "bigint",
        "smallint",
        "boolean",
        "timestamp with time zone",
        "date",
        "double precision",
        "xid8",
    ];
    let kit = Kit::start().await;
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    let mut there: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in owner.query_all_raw(statement(COLUMNS)).await.unwrap() {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        let columns = there.entry(text("of")).or_default();
        if !PLAIN.contains(&text("kind").as_str()) {
            columns.insert(text("name"));
        }
    }
    let known: BTreeMap<String, BTreeSet<String>> = tables()
        .map(|table| {
            let columns = table.columns.iter().map(|(name, _)| (*name).to_owned());
            (table.name.to_owned(), columns.collect())
        })
        .collect();
    assert_eq!(known.len(), tables().count(), "a table stands in the map twice");
    for (table, columns) in &there {
        let Some(known) = known.get(table) else {
            panic!("domain::privacy::map lacks the table {table} with {columns:?}: what does it hold of visitors?");
        };
        assert_eq!(known, columns, "{table}: the map (left) and the database (right)");
    }
    assert_eq!(known.len(), there.len(), "the map has tables that the database has not");
}

/// What belongs to a conversation goes with it, whoever deletes it, and the map says so.
#[tokio::test]
async fn whatever_refers_to_a_visitor_goes_with_the_visitor() {
    const REFERENCES: &str = "
        SELECT k.conrelid::regclass::text AS child, k.confrelid::regclass::text AS parent, k.confdeltype::text AS deletes FROM pg_constraint k
        WHERE k.contype = 'f' AND k.confrelid IN ('visitors'::regclass, 'conversations'::regclass, 'messages'::regclass)";
    let kit = Kit::start().await;
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    let rows = owner.query_all_raw(statement(REFERENCES)).await.unwrap();
    assert!(rows.len() >= 6, "{}", rows.len());
    for row in rows {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        let child = text("child");
        assert_eq!(text("deletes"), "c", "{child} outlives its {}", text("parent"));
        let table = tables().find(|table| table.name == child).unwrap();
        assert_eq!(table.of.map(|of| of.erase), Some(Erase::Delete), "{child}");
    }
    let shop = kit.customer("shop.example").await;
    visitor(&kit.db, &shop, None, 0, "Hello?").await;
    run(&kit.db, "DELETE FROM visitors").await;
    for table in ["conversations", "messages", "answer_receipts", "conversation_events"] {
        assert_eq!(kit.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_person_is_forgotten_by_an_address_in_every_session_and_nobody_else_is() {
    let house = House::new().await;
    let (db, shop) = (&house.kit.db, &house.shop);
    let other = house.kit.customer("other.example").await;
    visitor(db, shop, Some(ADA), 3, "Where is my paddle?").await;
    visitor(db, shop, Some("Ada@MAIL.example"), 0, "Where is my boat?").await;
    visitor(db, shop, Some("ada+shop@mail.example"), 0, "Where is my tent?").await;
    visitor(
        db,
        shop,
        None,
        0,
        "Please tell ADA@mail.example that bob@mail.example waits.",
    )
    .await;
    visitor(db, &other, Some(ADA), 0, "Where is my bike?").await;
    let messages = "SELECT count(*) FROM messages";
    assert_eq!(count(db, messages).await, 10);

    let ada = Subject::read(Some(" ADA@mail.example"), None).unwrap();
    let erased = house.erase(&ada).await;
    let counts = &erased.tombstone.counts;
    assert_eq!(
        (counts["visitors"], counts["conversations"], counts["messages"]),
        (2, 2, 4)
    );
    assert_eq!((counts["answer_receipts"], counts["mentions"]), (2, 2), "{counts:?}");
    assert_eq!((erased.conversations.len(), erased.tombstone.sessions.len()), (2, 2));
    assert_eq!(count(db, messages).await, 6);
    let left = "SELECT count(*) FROM messages WHERE text LIKE '%tent%' OR text LIKE '%bike%'
        OR text = 'Please tell [erased] that bob@mail.example waits.'";
    assert_eq!(count(db, left).await, 3);
    let named = format!(
        "SELECT count(*) FROM visitors WHERE email ILIKE '%ada@%' AND customer_id = '{}'",
        shop.id
    );
    assert_eq!(count(db, &named).await, 0);

    // Again, by another form of the address: the same receipt, and no second tombstone.
    let again = house
        .erase(&Subject::read(Some("ａda@mail.example"), None).unwrap())
        .await;
    assert_eq!(
        (again.receipt, again.tombstone),
        (erased.receipt.clone(), erased.tombstone.clone())
    );
    // Who comes back is forgotten anew.
    visitor(db, shop, Some(ADA), 0, "Me again").await;
    let anew = house.erase(&ada).await;
    assert_eq!(anew.tombstone.counts["messages"], 2);
    assert_ne!(anew.receipt, erased.receipt);

    // Nothing that is kept of it names anybody; the receipt proves it to those who have the key.
    let kept = format!("{}{}", std::fs::read_to_string(&house.log).unwrap(), erased.receipt);
    let rows = "SELECT count(*) FROM erasures e WHERE to_jsonb(e)::text ILIKE '%mail.example%'";
    assert!(!kept.contains("mail.example") && count(db, rows).await == 0);
    assert_eq!(house.privacy.verify(&erased.receipt), Some(erased.tombstone.clone()));
    let audit =
        "SELECT count(*) FROM audit_logs WHERE action = 'gdpr.erased' AND metadata::text NOT LIKE '%mail.example%'";
    assert_eq!(count(db, audit).await, 2);
}

#[tokio::test]
async fn forgotten_twice_at_once_there_is_one_receipt() {
    let house = House::new().await;
    let session = visitor(&house.kit.db, &house.shop, Some(ADA), 0, "Hello?").await;
    let subject = Subject::Session(session);
    let all = futures::future::join_all((0..8).map(|_| house.erase(&subject))).await;
    let receipts: BTreeSet<String> = all.iter().map(|erased| erased.receipt.clone()).collect();
    assert_eq!(receipts.len(), 1);
    assert_eq!(house.kit.count("SELECT count(*) FROM erasures").await, 1);
    // Of a stranger there is a receipt of the same form, and each time the same.
    let stranger = Subject::Session(Uuid::now_v7());
    let (one, two) = (house.erase(&stranger).await, house.erase(&stranger).await);
    assert_eq!(one.receipt, two.receipt);
    assert!(one.tombstone.counts.values().all(|n| *n == 0));
    let tables = |erased: &domain::privacy::Erased| erased.tombstone.counts.keys().cloned().collect::<Vec<_>>();
    assert_eq!(tables(&one), tables(&all[0]));
}

#[tokio::test]
async fn a_session_that_gives_the_address_while_its_person_is_being_forgotten_is_forgotten_whole() {
    let house = House::new().await;
    let (db, shop) = (&house.kit.db, &house.shop);
    let first = visitor(db, shop, Some(ADA), 0, "Hello?").await;
    // An answer is being written in the first session.
    let busy = db.tenant(shop).await.unwrap();
    let hold = format!(
        "SELECT pg_advisory_xact_lock(hashtextextended('session ' || '{}' || ' ' || '{first}', 0))",
        shop.id
    );
    busy.execute_raw(statement(&hold)).await.unwrap();
    let subject = Subject::Email(ADA.to_owned());
    let meanwhile = async {
        eventually("the erasure to wait for the answer", || async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            (house.kit.count(waiting).await > 0).then_some(())
        })
        .await;
        let second = visitor(db, shop, Some(ADA), 0, "It is me again.").await;
        busy.commit().await.unwrap();
        second
    };
    let (erased, second) = tokio::join!(house.erase(&subject), meanwhile);
    assert_eq!(house.kit.count("SELECT count(*) FROM conversations").await, 0);
    let named: BTreeSet<String> = erased.tombstone.sessions.iter().cloned().collect();
    let both = [first, second].map(|session| hex::encode(session_hash(shop.id, session)));
    assert_eq!(named, BTreeSet::from(both), "each session is known to be forgotten");
}

/// Gives the shop more texts than are looked through while somebody waits.
async fn many_texts(house: &House) {
    let stranger = visitor(&house.kit.db, &house.shop, None, 0, "A stranger.").await;
    let fill = format!(
        "INSERT INTO messages (id, customer_id, conversation_id, role, text)
         SELECT gen_random_uuid(), c.customer_id, c.id, 'visitor', 'line ' || n
         FROM conversations c, generate_series(1, 20001) n WHERE c.session_id = '{stranger}'"
    );
    run(&house.kit.db, &fill).await;
}

/// A planned copy; returns its id.
async fn planned(house: &House, address: &str) -> Uuid {
    let subject = Subject::read(Some(address), None).unwrap();
    match house.privacy.export(&house.shop, &subject, None, BY).await.unwrap() {
        Copy::Later(job, _) => job.id,
        Copy::Document(_) => panic!("a copy at once of what takes long"),
    }
}

#[tokio::test]
async fn a_copy_that_others_texts_are_looked_through_for_is_a_jobs_work_where_there_are_many() {
    let house = House::new().await;
    let session = visitor(&house.kit.db, &house.shop, Some(ADA), 0, "Hello?").await;
    let export = async |subject| house.privacy.export(&house.shop, &subject, None, BY).await.unwrap();
    let by_address = || Subject::Email(ADA.to_owned());
    assert!(matches!(export(by_address()).await, Copy::Document(_)));
    many_texts(&house).await;
    assert!(matches!(export(by_address()).await, Copy::Later(..)));
    assert!(matches!(export(Subject::Session(session)).await, Copy::Document(_)));
}

#[tokio::test]
async fn a_copy_is_no_larger_than_its_bounds() {
    let house = House::new().await;
    let session = visitor(&house.kit.db, &house.shop, None, 0, &"word ".repeat(2000)).await;
    let usual = Bounds::default();
    let copy = async |bounds| {
        let privacy = house.privacy.clone().within(bounds);
        let made = privacy.export(&house.shop, &Subject::Session(session), None, BY).await;
        match made {
            Ok(Copy::Document(text)) => {
                serde_json::from_str::<serde_json::Value>(&text).unwrap()["counts"]["messages"].to_string()
            }
            Ok(Copy::Later(..)) => "later".to_owned(),
            Err(error) => error.code().to_owned(),
        }
    };
    assert_eq!(copy(usual).await, "2");
    for (bounds, becomes) in [
        (
            Bounds {
                rows_at_once: 3,
                ..usual
            },
            "later",
        ),
        (
            Bounds {
                bytes_at_once: 10_000,
                ..usual
            },
            "later",
        ),
        (Bounds { rows: 3, ..usual }, "export_too_large"),
        (Bounds { bytes: 10_000, ..usual }, "export_too_large"),
    ] {
        assert_eq!(copy(bounds).await, becomes, "{bounds:?}");
    }
    // More has come since it was planned.
    let small = Bounds {
        rows_at_once: 3,
        ..usual
    };
    let planned = house.privacy.clone().within(small);
    let subject = Subject::Session(session);
    let Copy::Later(job, _) = planned.export(&house.shop, &subject, None, BY).await.unwrap() else {
        panic!("a copy at once of what is too much for that");
    };
    let less = house.privacy.clone().within(Bounds { rows: 3, ..small });
    assert_eq!(
        less.make_export(&house.shop, job.id).await.unwrap_err().code(),
        "export_too_large"
    );
    assert!(planned.make_export(&house.shop, job.id).await.unwrap().is_some());
}

#[tokio::test]
async fn copies_made_for_others_forget_the_person_too_and_so_do_those_in_the_making() {
    let house = House::new().await;
    let db = &house.kit.db;
    many_texts(&house).await;
    let ada = visitor(
        db,
        &house.shop,
        Some(ADA),
        0,
        "Ask bob@mail.example, he is my neighbour.",
    )
    .await;
    visitor(db, &house.shop, Some("bob@mail.example"), 0, "Hello?").await;
    visitor(db, &house.shop, Some("eve@mail.example"), 0, "Hi?").await;
    let (of_bob, of_eve) = (
        planned(&house, "bob@mail.example").await,
        planned(&house, "eve@mail.example").await,
    );
    for copy in [of_bob, of_eve] {
        house.privacy.make_export(&house.shop, copy).await.unwrap().unwrap();
    }
    let document = async |copy| house.privacy.export_document(&house.shop, copy, BY).await;
    assert!(document(of_bob).await.unwrap().contains("neighbour"));

    // One more is being made: it has read what is there, and is kept only after the erasure.
    let making = planned(&house, "bob@mail.example").await;
    let held = db.tenant(&house.shop).await.unwrap();
    // However long the others take until they wait for it.
    let patient = statement("SET LOCAL idle_in_transaction_session_timeout = 0");
    held.execute_raw(patient).await.unwrap();
    let lock = format!("SELECT id FROM subject_exports WHERE id = '{making}' FOR UPDATE");
    held.execute_raw(statement(&lock)).await.unwrap();
    let wait_for = async |n: i64| {
        eventually("others to wait for the copy", || async {
            (house.kit.count("SELECT count(*) FROM pg_locks WHERE NOT granted").await == n).then_some(())
        })
        .await;
    };
    let subject = Subject::Session(ada);
    let make = async {
        wait_for(1).await;
        house.privacy.make_export(&house.shop, making).await.unwrap().unwrap();
    };
    let release = async {
        wait_for(2).await;
        held.commit().await.unwrap();
    };
    let (erased, (), ()) = tokio::join!(house.erase(&subject), make, release);
    assert_eq!(erased.tombstone.counts["subject_exports"], 1);
    assert_eq!(document(of_bob).await.unwrap_err().code(), "not_found");
    assert!(!document(making).await.unwrap().contains("neighbour"));
    document(of_eve).await.unwrap();
}

#[tokio::test]
async fn what_can_t_be_recorded_outside_of_the_database_is_not_done() {
    let house = House::new().await;
    let session = visitor(&house.kit.db, &house.shop, Some(ADA), 0, "Hello?").await;
    std::fs::create_dir(&house.log).unwrap();
    let refused = house
        .privacy
        .erase(&house.shop, &Subject::Session(session), BY)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "erasure_log_unavailable");
    assert_eq!(house.kit.count("SELECT count(*) FROM messages").await, 2);
    std::fs::remove_dir(&house.log).unwrap();
    house.erase(&Subject::Session(session)).await;
    assert_eq!(house.kit.count("SELECT count(*) FROM messages").await, 0);
}

/// A program of the private Postgres.
fn program(name: &str) -> Command {
    let runtime = Runtime::fetch(&Kit::cache()).unwrap();
    let mut command = Command::new(runtime.postgres_program(name));
    command.env_clear();
    command
}

/// Row 32 of the failure tests: a dump of yesterday is restored, and whoever was forgotten since is forgotten again.
#[tokio::test]
async fn a_restored_dump_forgets_again_whom_the_log_names() {
    let house = House::new().await;
    let (kit, shop) = (&house.kit, &house.shop);
    let known = visitor(&kit.db, shop, None, 2, "I am a secret of a session.").await;
    visitor(&kit.db, shop, Some(ADA), 2, "I am a secret of an address.").await;
    visitor(&kit.db, shop, None, 2, "Write to ada@mail.example, please.").await;
    visitor(&kit.db, shop, Some("bob@mail.example"), 2, "I stay.").await;
    // Gone before the erasure, and back by the dump: nothing but the address can tell whose it was.
    let gone = visitor(&kit.db, shop, Some(ADA), 2, "I am a forgotten session.").await;
    let dump = std::env::temp_dir().join(format!("omniops-dump-{}.sql", Uuid::now_v7().simple()));
    let url = kit.services.superuser_url("postgres");
    let done = program("pg_dump")
        .arg("--dbname")
        .arg(&url)
        .arg("--file")
        .arg(&dump)
        .status()
        .unwrap();
    assert!(done.success());
    run(&kit.db, &format!("DELETE FROM visitors WHERE session_id = '{gone}'")).await;

    house.erase(&Subject::Session(known)).await;
    house.erase(&Subject::read(Some(ADA), None).unwrap()).await;
    // What comes after is nobody's business: the same person writes again, of their own will.
    assert_eq!(kit.count("SELECT count(*) FROM messages").await, 4);

    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    owner.execute_unprepared("CREATE DATABASE restored").await.unwrap();
    let restored = kit.services.superuser_url("restored");
    let done = program("psql")
        .args([
            "--quiet",
            "--no-psqlrc",
            "--set",
            "ON_ERROR_STOP=1",
            "--output",
            "/dev/null",
            "--dbname",
            &restored,
            "--file",
        ])
        .arg(&dump)
        .status()
        .unwrap();
    assert!(done.success());
    std::fs::remove_file(&dump).unwrap();
    let mut variables = kit.variables.clone();
    variables.insert("DATABASE_URL".into(), kit.services.url("omniops", "restored"));
    variables.insert("DATABASE_OWNER_URL".into(), restored);
    let config = domain::config::Config::from_map(&variables).unwrap();
    let db = Db::connect(&config.database).await.unwrap();
    let secrets =
        "SELECT count(*) FROM messages WHERE text LIKE '%secret%' OR text LIKE '%forgotten%' OR text LIKE '%ada@%'";
    assert_eq!(count(&db, secrets).await, 4, "the dump has them");
    assert_eq!(count(&db, "SELECT count(*) FROM erasures").await, 0);
    let later = visitor(&db, shop, Some(ADA), 0, "I came back.").await;

    let privacy = Privacy::new(db.clone(), &config);
    let mut lines = ErasureLog::at(&house.log).lines().await.unwrap();
    lines.extend([lines[0].clone(), "torn".into(), format!("{}x", lines[1])]);
    let replayed = replay_erasures(&privacy, &lines, "test").await.unwrap();
    assert_eq!((replayed.erasures, replayed.new, replayed.unreadable), (2, 2, 2));
    assert_eq!(
        (
            replayed.visitors,
            replayed.counts["messages"],
            replayed.counts["mentions"]
        ),
        (3, 6, 2),
        "{replayed:?}"
    );
    assert_eq!(count(&db, secrets).await, 0);
    let left = "SELECT count(*) FROM messages WHERE text IN ('I stay.', 'I came back.', 'Write to [erased], please.')";
    assert_eq!(count(&db, left).await, 3);
    assert_eq!(count(&db, "SELECT count(*) FROM erasures").await, 2);
    let back = format!("SELECT count(*) FROM visitors WHERE session_id = '{later}'");
    assert_eq!(count(&db, &back).await, 1);

    // Done again, nothing happens; with the tombstones of the database alone as little.
    let again = replay_erasures(&privacy, &[], "test").await.unwrap();
    assert_eq!((again.erasures, again.new, again.visitors), (2, 0, 0));
    assert!(again.counts.values().all(|n| *n == 0), "{again:?}");
    db.close().await;
}

#[tokio::test]
async fn a_restore_that_nobody_replayed_is_noticed_and_mended() {
    let house = House::new().await;
    let (db, shop) = (&house.kit.db, &house.shop);
    let session = visitor(db, shop, None, 2, "I am a secret.").await;
    house.erase(&Subject::Session(session)).await;
    let standing = house.privacy.standing().await.unwrap();
    assert_eq!(
        (standing.unknown.len(), standing.missing, standing.older),
        (0, Some(0), 0)
    );
    assert!(house.privacy.forget_unknown().await.unwrap().is_none());

    // As the backup has it: the person is there, and nothing of the erasure.
    let owner = Db::connect_owner(&house.kit.config.database).await.unwrap();
    owner.execute_unprepared("DELETE FROM erasures").await.unwrap();
    let back = visitor(db, shop, None, 2, "I am a secret.").await;
    run(
        db,
        &format!(
            "UPDATE visitors SET session_id = '{session}' WHERE session_id = '{back}';\n
        UPDATE conversations SET session_id = '{session}' WHERE session_id = '{back}'"
        ),
    )
    .await;
    assert_eq!(house.privacy.standing().await.unwrap().unknown.len(), 1);
    let done = house.privacy.forget_unknown().await.unwrap().unwrap();
    assert_eq!((done.new, done.visitors), (1, 1), "{done:?}");
    assert_eq!(count(db, "SELECT count(*) FROM messages").await, 0);
    assert!(house.privacy.standing().await.unwrap().unknown.is_empty());
}

#[tokio::test]
async fn a_restore_forgets_again_whom_only_an_address_names_that_was_replaced() {
    let house = House::new().await;
    let (db, shop) = (&house.kit.db, &house.shop);
    let replaced = async || {
        let session = visitor(db, shop, Some("bob@mail.example"), 2, "I am a secret.").await;
        run(
            db,
            &format!("UPDATE visitors SET earlier_emails = '{{{ADA}}}' WHERE session_id = '{session}'"),
        )
        .await;
    };
    replaced().await;
    let ada = Subject::read(Some(ADA), None).unwrap();
    assert_eq!(house.erase(&ada).await.tombstone.counts["messages"], 2);
    let owner = Db::connect_owner(&house.kit.config.database).await.unwrap();
    owner.execute_unprepared("DELETE FROM erasures").await.unwrap();
    replaced().await;
    visitor(db, shop, Some("bob@mail.example"), 2, "I stay.").await;
    let done = house.privacy.forget_unknown().await.unwrap().unwrap();
    assert_eq!((done.new, done.visitors), (1, 1), "{done:?}");
    assert_eq!(
        count(db, "SELECT count(*) FROM messages WHERE text = 'I am a secret.'").await,
        0
    );
    assert_eq!(count(db, "SELECT count(*) FROM messages").await, 2);
}

#[tokio::test]
async fn receipts_of_an_older_key_are_counted_and_so_are_those_that_no_key_opens() {
    let house = House::new().await;
    house.erase(&Subject::Session(Uuid::now_v7())).await;
    let mut variables = house.kit.variables.clone();
    let old = variables.insert("ENCRYPTION_KEY".into(), "a7".repeat(32)).unwrap();
    let standing = async |variables: &BTreeMap<String, String>| {
        let config = domain::config::Config::from_map(variables).unwrap();
        Privacy::new(house.kit.db.clone(), &config).standing().await.unwrap()
    };
    let dropped = standing(&variables).await;
    assert_eq!((dropped.older, dropped.unreadable), (0, 1));
    // One that stands in the log alone, as after a restore, is counted; what a crash has torn is none.
    let line = std::fs::read_to_string(&house.log).unwrap();
    let (body, signature) = line.trim().split_once('.').unwrap();
    let text = format!("{line}\n{body}x.{signature}\n{body}.half\n");
    std::fs::write(&house.log, text).unwrap();
    assert_eq!(standing(&variables).await.unreadable, 2);
    let config = domain::config::Config::from_map(&variables).unwrap();
    let privacy = Privacy::new(house.kit.db.clone(), &config);
    let replayed = replay_erasures(&privacy, &[], "test").await.unwrap();
    assert_eq!((replayed.erasures, replayed.unreadable), (0, 1), "no silence about it");
    variables.insert("ENCRYPTION_KEYS_OLD".into(), old);
    let kept = standing(&variables).await;
    assert_eq!((kept.older, kept.unreadable, kept.older_until.is_some()), (1, 1, true));
}

#[tokio::test]
async fn the_log_learns_what_other_processes_did() {
    let house = House::new().await;
    // A process of the same installation without the log.
    let mut config = house.kit.config.clone();
    config.privacy.erasure_log = None;
    let other = Privacy::new(house.kit.db.clone(), &config);
    other
        .erase(&house.shop, &Subject::Session(Uuid::now_v7()), BY)
        .await
        .unwrap();
    house.erase(&Subject::Session(Uuid::now_v7())).await;
    assert_eq!(sync_log(&house.privacy).await.unwrap(), 1);
    assert_eq!(sync_log(&house.privacy).await.unwrap(), 0);
    let log = ErasureLog::at(&house.log);
    assert_eq!(log.known(house.privacy.seals()).await.unwrap().len(), 2);
    // A torn end costs itself only.
    let text = std::fs::read_to_string(&house.log).unwrap();
    std::fs::write(&house.log, format!("{text}eyJ2")).unwrap();
    house.erase(&Subject::Session(Uuid::now_v7())).await;
    assert_eq!(log.known(house.privacy.seals()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn everything_goes_when_its_time_is_over() {
    let house = House::new().await;
    let (db, shop) = (&house.kit.db, &house.shop);
    visitor(db, shop, None, retention::CONVERSATIONS + 1, "old").await;
    visitor(db, shop, None, retention::CONVERSATIONS - 1, "young").await;
    let patient = house.kit.customer("patient.example").await;
    let hasty = house.kit.customer("hasty.example").await;
    run(
        db,
        &format!(
            "UPDATE customer_configs SET settings = '{{\"retention_days\": 1000}}' WHERE id = '{}'",
            patient.id
        ),
    )
    .await;
    run(
        db,
        &format!(
            "UPDATE customer_configs SET settings = '{{\"retention_days\": 2}}' WHERE id = '{}'",
            hasty.id
        ),
    )
    .await;
    visitor(db, &patient, None, 999, "kept for long").await;
    visitor(db, &hasty, None, 3, "gone soon").await;
    run(
        db,
        &format!(
            "INSERT INTO visitors (id, customer_id, session_id, created_at) VALUES
               ('{}', '{of}', '{}', now() - interval '2 days'), ('{}', '{of}', '{}', now());\n",
            id(2),
            Uuid::now_v7(),
            id(0),
            Uuid::now_v7(),
            of = shop.id
        ),
    )
    .await;
    let purged = domain::people::purge(db).await.unwrap();
    assert_eq!(purged.conversations, 2);
    // Those of the two conversations, and the one who only looked two days ago.
    assert_eq!(purged.visitors, 3);
    assert_eq!(
        count(
            db,
            "SELECT count(*) FROM messages WHERE text IN ('young', 'kept for long')"
        )
        .await,
        2
    );
    assert_eq!(count(db, "SELECT count(*) FROM messages").await, 4);

    house.erase(&Subject::Session(Uuid::now_v7())).await;
    house.erase(&Subject::Session(Uuid::now_v7())).await;
    let export = |age: &str| {
        format!(
            "INSERT INTO subject_exports (id, customer_id, subject_kind, subject, visitors, sessions, expires_at)
               VALUES ('{}', '{}', 'session', '\\x00', '{{}}', '{{}}', now() + interval '{age}')",
            Uuid::now_v7(),
            shop.id
        )
    };
    run(db, &export("-1 minute")).await;
    run(db, &export("1 minute")).await;
    let owner = Db::connect_owner(&house.kit.config.database).await.unwrap();
    let age = format!(
        "UPDATE erasures SET erased_at = now() - interval '{} days' WHERE id = (SELECT min(id::text)::uuid FROM erasures)",
        retention::ERASURES + 1
    );
    owner.execute_unprepared(&age).await.unwrap();
    let purged = retention::purge(db).await.unwrap();
    assert_eq!((purged.exports, purged.erasures), (1, 1));
    assert_eq!(count(db, "SELECT count(*) FROM erased_sessions").await, 1);
    assert_eq!(count(db, "SELECT count(*) FROM subject_exports").await, 1);
}

/// A tenant's own transaction can neither change nor remove what proves an erasure.
#[tokio::test]
async fn tombstones_can_only_grow() {
    let house = House::new().await;
    house.erase(&Subject::Session(Uuid::now_v7())).await;
    for forbidden in [
        "DELETE FROM erasures",
        "UPDATE erasures SET receipt = ''",
        "DELETE FROM erased_sessions",
    ] {
        let tx = house.kit.db.tenant(&house.shop).await.unwrap();
        let error = tx.execute_raw(statement(forbidden)).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{forbidden}: {error}");
    }
    let words = tables().filter(|table| table.columns.iter().any(|(_, data)| *data == Data::Words));
    assert!(words.count() >= 2, "mentions are looked for in what visitors write");
}

#[tokio::test]
async fn from_where_a_key_was_used_is_forgotten_some_time_after_its_last_use() {
    let house = House::new().await;
    let (db, shop) = (&house.kit.db, &house.shop);
    for (scope, days) in [
        (Scope::Search, retention::KEY_PLACES + 1),
        (Scope::Chat, retention::KEY_PLACES - 1),
    ] {
        house.kit.key(shop, &[scope]).await;
        let used = format!(
            "UPDATE api_keys SET used_from = '{{192.0.2.1}}', last_used_at = now() - interval '{days} days' WHERE scopes = '{{{}}}'",
            scope.as_str()
        );
        run(db, &used).await;
    }
    assert_eq!(retention::purge(db).await.unwrap().key_places, 1);
    let left = "SELECT count(*) FROM api_keys WHERE used_from <> '{}' AND scopes = '{chat}'";
    assert_eq!(count(db, left).await, 1);
}
