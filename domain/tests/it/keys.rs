//! Secrets that are kept: only their own place opens them, and they outlive every change of keys.
use domain::{
    jobs::Operator,
    privacy::Privacy,
    secrets::{Envelopes, MasterKeys, Vault, discard_unused, rotate, sealed::WEBHOOK_SECRET, status},
    tenancy::{Customer, Db},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use testkit::{Catalogue, Kit};
use uuid::Uuid;

const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [8; 32];

fn envelopes(present: [u8; 32], others: &[[u8; 32]]) -> Envelopes {
    Envelopes::new(MasterKeys::new(&present, others.iter().map(<[u8; 32]>::as_slice)))
}

fn statement<const N: usize>(text: &str, values: [sea_orm::Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

/// A webhook's row with a secret that `envelopes` seal.
async fn keep(kit: &Kit, envelopes: &Envelopes, customer: &Customer, secret: &[u8]) -> Uuid {
    const INSERT: &str = "INSERT INTO outbound_webhooks (id, customer_id, url, events, secret) VALUES ($1, $2, 'https://x.example', '{}', $3)";
    let id = Uuid::now_v7();
    let tx = kit.db.tenant(customer).await.unwrap();
    let sealed = envelopes
        .seal(&*tx, WEBHOOK_SECRET.at(Some(customer.id), id), secret)
        .await
        .unwrap();
    let values = [id.into(), customer.id.into(), sealed.into()];
    tx.execute_raw(statement(INSERT, values)).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn stored(kit: &Kit, id: Uuid) -> Vec<u8> {
    let tx = kit.db.system().await.unwrap();
    let find = statement("SELECT secret FROM outbound_webhooks WHERE id = $1", [id.into()]);
    tx.query_one_raw(find)
        .await
        .unwrap()
        .unwrap()
        .try_get("", "secret")
        .unwrap()
}

/// What a process with these keys reads from the row; an error's whole story.
async fn read(kit: &Kit, envelopes: &Envelopes, customer: &Customer, id: Uuid) -> Result<Vec<u8>, String> {
    let tx = kit.db.tenant_read(customer).await.unwrap();
    let find = statement("SELECT secret FROM outbound_webhooks WHERE id = $1", [id.into()]);
    let row = tx.query_one_raw(find).await.unwrap().unwrap();
    let sealed: Vec<u8> = row.try_get("", "secret").unwrap();
    let opened = envelopes
        .open(&*tx, WEBHOOK_SECRET.at(Some(customer.id), id), &sealed)
        .await;
    opened.map(|plain| plain.to_vec()).map_err(|error| error.story())
}

async fn run(kit: &Kit, sql: &str) {
    let owner = Db::connect_owner(&kit.config.database).await.unwrap();
    owner.execute_unprepared(sql).await.unwrap();
    owner.close().await.unwrap();
}

#[tokio::test]
async fn a_secret_opens_in_its_own_place_only() {
    let kit = Kit::start().await;
    let (mine, theirs) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let keys = envelopes(OLD, &[]);
    let id = keep(&kit, &keys, &mine, b"whsec").await;
    assert_eq!(read(&kit, &keys, &mine, id).await.unwrap(), b"whsec");
    let sealed = stored(&kit, id).await;
    assert!(!sealed.windows(5).any(|part| part == b"whsec"));

    // The other customer has a key of its own; the row of the same id in the same customer is another place.
    keep(&kit, &keys, &theirs, b"other").await;
    let tx = kit.db.system().await.unwrap();
    let at = |customer: Option<Uuid>, row| WEBHOOK_SECRET.at(customer, row);
    for (place, why) in [
        (at(Some(theirs.id), id), "another customer"),
        (at(None, id), "the installation"),
        (at(Some(mine.id), Uuid::now_v7()), "another row"),
        (
            domain::secrets::sealed::SECOND_FACTOR.at(Some(mine.id), id),
            "another table and column",
        ),
    ] {
        let error = keys.open(&*tx, place, &sealed).await.unwrap_err();
        assert!(!error.story().contains("whsec"), "{why}");
    }
    // Format, key id, nonce, text and tag: nothing can be changed or left out.
    let own = at(Some(mine.id), id);
    assert_eq!(keys.open(&*tx, own, &sealed).await.unwrap().as_slice(), b"whsec");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(keys.open(&*tx, own, &changed).await.is_err(), "byte {at}");
        assert!(keys.open(&*tx, own, &sealed[..at]).await.is_err(), "cut at {at}");
    }
    // A value under a key of the same customer, made by somebody who can write to the database but has no master key.
    let forger = envelopes([9; 32], &[]);
    let error = forger.open(&*tx, own, &sealed).await.unwrap_err();
    assert!(error.story().contains("wrapped by the master key"), "{}", error.story());
}

#[tokio::test]
async fn nobody_reads_the_data_keys_of_another_customer() {
    let kit = Kit::start().await;
    let (mine, theirs) = (kit.customer("a.example").await, kit.customer("b.example").await);
    let keys = envelopes(OLD, &[]);
    keep(&kit, &keys, &mine, b"1").await;
    keep(&kit, &keys, &theirs, b"2").await;
    assert_eq!(kit.count("SELECT count(*) FROM data_keys").await, 2);
    let tx = kit.db.tenant(&mine).await.unwrap();
    let seen = tx
        .query_one_raw(statement("SELECT count(*) AS n FROM data_keys", []))
        .await
        .unwrap();
    assert_eq!(seen.unwrap().try_get::<i64>("", "n").unwrap(), 1);
    for forbidden in ["UPDATE data_keys SET retired_at = now()", "DELETE FROM data_keys"] {
        let tx = kit.db.tenant(&mine).await.unwrap();
        let error = tx.execute_raw(statement(forbidden, [])).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
    }
    // With the customer go its keys, and with them whatever a backup still has of its values.
    Privacy::new(kit.db.clone(), &kit.config)
        .end_customer(mine.id, Operator::named("test"))
        .await
        .unwrap();
    assert_eq!(kit.count("SELECT count(*) FROM data_keys").await, 1);
}

#[tokio::test]
async fn values_from_before_data_keys_are_read_and_sealed_anew() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let vault = Vault::new(MasterKeys::from(&OLD).present(), "outbound webhook secrets");
    // Many, so that some begin with the byte that would be the format.
    let mut ids = Vec::new();
    for n in 0..120u8 {
        let id = Uuid::now_v7();
        let mut sealed = vault.seal(&[n], format!("{} {id}", customer.id).as_bytes()).unwrap();
        while n < 3 && sealed[0] != 1 {
            sealed = vault.seal(&[n], format!("{} {id}", customer.id).as_bytes()).unwrap();
        }
        let tx = kit.db.tenant(&customer).await.unwrap();
        let insert = "INSERT INTO outbound_webhooks (id, customer_id, url, events, secret, secret_key) VALUES ($1, $2, 'https://x.example', '{}', $3, 'abcd')";
        tx.execute_raw(statement(insert, [id.into(), customer.id.into(), sealed.into()]))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        ids.push(id);
    }
    let keys = envelopes(NEW, &[OLD]);
    assert_eq!(status(&kit.db, &keys).await.unwrap().columns[0].other, 120);
    assert_eq!(read(&kit, &keys, &customer, ids[0]).await.unwrap(), [0]);
    let mut steps = Vec::new();
    let done = rotate(&kit.db, &keys, false, |step| steps.push(step)).await.unwrap();
    assert_eq!((done.sealed, done.unreadable.len()), (120, 0));
    assert!(steps.len() > 1, "progress is told");
    let alone = envelopes(NEW, &[]);
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(read(&kit, &alone, &customer, *id).await.unwrap(), [n as u8]);
    }
    let status = status(&kit.db, &alone).await.unwrap();
    assert!(!status.needs_others() && status.columns[0].present == 120, "{status:?}");
}

#[tokio::test]
async fn another_master_key_wraps_everything_and_the_old_one_is_refused() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let before = envelopes(OLD, &[]);
    let id = keep(&kit, &before, &customer, b"whsec").await;
    // Without the old key nothing can be read, and the error says which key is missing and tells none.
    let alone = envelopes(NEW, &[]);
    let error = read(&kit, &alone, &customer, id).await.unwrap_err();
    let old = MasterKeys::from(&OLD);
    assert!(
        error.contains(old.present().id()) && error.contains("ENCRYPTION_KEYS_OLD"),
        "{error}"
    );
    assert!(!error.contains(&hex::encode(OLD)));
    let done = rotate(&kit.db, &alone, false, |_| ()).await.unwrap();
    assert!(done.unreadable[0].0.contains(old.present().id()), "{done:?}");
    assert!(
        status(&kit.db, &alone)
            .await
            .unwrap()
            .masters
            .iter()
            .any(|m| !m.known && m.data_keys > 0)
    );

    let both = envelopes(NEW, &[OLD]);
    let sealed = stored(&kit, id).await;
    let done = rotate(&kit.db, &both, false, |_| ()).await.unwrap();
    assert!(
        done.wrapped >= 1 && done.sealed == 0 && done.unreadable.is_empty(),
        "{done:?}"
    );
    assert_eq!(stored(&kit, id).await, sealed, "values stay as they are");
    assert_eq!(read(&kit, &alone, &customer, id).await.unwrap(), b"whsec");
    let error = read(&kit, &before, &customer, id).await.unwrap_err();
    assert!(error.contains(MasterKeys::from(&NEW).present().id()), "{error}");
    let again = rotate(&kit.db, &both, false, |_| ()).await.unwrap();
    assert_eq!((again.wrapped, again.sealed), (0, 0));
    let noted = "SELECT count(*) FROM audit_logs WHERE action = 'keys.wrapped' AND actor = 'cli'";
    assert_eq!(kit.count(noted).await, 1);
}

#[tokio::test]
async fn new_data_keys_lose_no_value_that_is_written_meanwhile() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let before = envelopes(OLD, &[]);
    let mut ids = vec![];
    for _ in 0..120 {
        ids.push(keep(&kit, &before, &customer, b"early").await);
    }
    // Processes of both configurations write and read while three rotations run, the first of which is cut off.
    let kit = Arc::new(kit);
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for present in [NEW, NEW] {
        let (kit, over, customer) = (kit.clone(), over.clone(), customer.clone());
        let keys = envelopes(present, &[OLD]);
        let seen = ids.clone();
        #[expect(clippy::disallowed_methods, reason = "joined below")]
        writers.push(tokio::spawn(async move {
            let mut written = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let id = keep(&kit, &keys, &customer, b"meanwhile").await;
                assert_eq!(read(&kit, &keys, &customer, id).await.unwrap(), b"meanwhile");
                let early = seen[written.len() % seen.len()];
                assert_eq!(read(&kit, &keys, &customer, early).await.unwrap(), b"early");
                written.push(id);
            }
            written
        }));
    }
    let both = envelopes(NEW, &[OLD]);
    {
        // Dropped in the middle, as a kill would.
        let cut = std::sync::Mutex::new(0);
        let rotation = rotate(&kit.db, &both, true, |_| *cut.lock().unwrap() += 1);
        let waits = testkit::eventually("the first steps", || async {
            (*cut.lock().unwrap() >= 3).then_some(())
        });
        tokio::select! {
            done = rotation => assert!(done.is_ok()),
            () = waits => {}
        }
    }
    let done = rotate(&kit.db, &both, true, |_| ()).await.unwrap();
    assert!(done.unreadable.is_empty(), "{done:?}");
    over.store(true, Ordering::Relaxed);
    for writer in writers {
        ids.extend(writer.await.unwrap());
    }
    let last = rotate(&kit.db, &both, false, |_| ()).await.unwrap();
    assert!(last.unreadable.is_empty());
    let alone = envelopes(NEW, &[]);
    for id in &ids {
        let read = read(&kit, &alone, &customer, *id).await.unwrap();
        assert!(read == b"early" || read == b"meanwhile");
    }
    let status = status(&kit.db, &alone).await.unwrap();
    assert!(
        !status.needs_others() && status.unfinished_since.is_none(),
        "{status:?}"
    );
    assert_eq!(
        (status.columns[0].retired, status.columns[0].present),
        (0, ids.len() as i64)
    );

    // What is retired goes a day after nothing is under it any more.
    assert_eq!(discard_unused(&kit.db).await.unwrap(), 0);
    run(
        &kit,
        "UPDATE data_keys SET retired_at = retired_at - interval '25 hours' WHERE retired_at IS NOT NULL",
    )
    .await;
    assert!(discard_unused(&kit.db).await.unwrap() >= 1);
    assert_eq!(read(&kit, &alone, &customer, ids[0]).await.unwrap(), b"early");
}

#[tokio::test]
async fn a_key_that_something_is_under_is_never_discarded() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    let keys = envelopes(OLD, &[]);
    let id = keep(&kit, &keys, &customer, b"whsec").await;
    run(&kit, "UPDATE data_keys SET retired_at = now() - interval '2 days'").await;
    assert_eq!(discard_unused(&kit.db).await.unwrap(), 0);
    assert_eq!(read(&kit, &keys, &customer, id).await.unwrap(), b"whsec");
}

/// Columns of bytes that hold nothing sealed, each looked at by a person.
const NO_SECRETS: [(&str, &str); 5] = [
    ("audit_chain", "mac"),
    ("audit_checkpoints", "mac"),
    ("data_keys", "wrapped"),
    ("job_screenshots", "image"),
    ("scraped_pages", "markdown"),
];

#[tokio::test]
async fn every_column_that_may_hold_a_secret_is_sealed_or_hashed() {
    let kit = Kit::start().await;
    let catalogue = Catalogue::of(&kit).await;
    let query = "SELECT c.relname::text AS table_name, a.attname::text AS name, format_type(a.atttypid, NULL) AS kind
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'";
    let mut open = Vec::new();
    for row in catalogue.owner.query_all_raw(statement(query, [])).await.unwrap() {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        let (table, name, kind) = (text("table_name"), text("name"), text("kind"));
        let sealed = domain::secrets::sealed::ALL
            .iter()
            .any(|s| s.table == table && s.column == name);
        if kind == "bytea" {
            let reviewed = NO_SECRETS.contains(&(table.as_str(), name.as_str()))
                || ["hash", "signature", "subject", "session", "key"]
                    .iter()
                    .any(|word| name.contains(word));
            open.extend((!sealed && !reviewed).then(|| format!("{table}.{name}")));
        } else if ["secret", "password"].iter().any(|word| name.contains(word)) {
            let harmless = [("outbound_webhooks", "secret_key"), ("admin_users", "password_hash")];
            open.extend(
                (!harmless.contains(&(table.as_str(), name.as_str()))).then(|| format!("{table}.{name} as {kind}")),
            );
        }
    }
    assert_eq!(
        open, [""; 0],
        "seal them (domain::secrets::sealed), or review them here"
    );
}
