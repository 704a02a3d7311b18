//! The audit log's chain: whatever somebody does to the log behind our back is found.
use domain::{
    audit::{self, Entry, Filter, Head, Verdict},
    secrets::{Envelopes, rotate},
};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::json;
use std::time::Duration;
use testkit::Kit;

struct Log {
    kit: Kit,
    keys: Envelopes,
    owner: DatabaseConnection,
}

impl Log {
    /// With ten linked lines.
    async fn start() -> Self {
        let kit = Kit::start().await;
        let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
        let keys = Envelopes::new(&kit.config.security.keys);
        let log = Self { kit, keys, owner };
        log.write(10).await;
        log.seal().await;
        log
    }

    async fn write(&self, lines: usize) {
        for n in 0..lines {
            let tx = self.kit.db.system().await.unwrap();
            let resource = n.to_string();
            let entry = Entry {
                customer: None,
                actor: "admin",
                action: "thing.changed",
                resource: &resource,
                metadata: json!({ "n": n, "b": [1.5, "é"], "a": null }),
                ip: Some("192.0.2.1"),
            };
            audit::of_request("req-1", audit::record(&*tx, entry)).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    async fn seal(&self) -> Head {
        let mut last = None;
        while let Some((head, _)) = audit::seal(&self.kit.db, &self.keys, true).await.unwrap() {
            last = Some(head);
        }
        last.unwrap()
    }

    async fn verify(&self, seen: Option<&Head>) -> Verdict {
        audit::verify(&self.kit.db, &self.keys, seen).await.unwrap()
    }

    /// What an administrator of the database can do.
    async fn tamper(&self, sql: &str) {
        let all = format!("SET session_replication_role = replica; {sql}; SET session_replication_role = origin");
        self.owner.execute_unprepared(&all).await.unwrap();
    }

    async fn id(&self, n: i64) -> i64 {
        self.kit
            .count(&format!("SELECT log_id FROM audit_chain WHERE seq = {n}"))
            .await
    }
}

#[tokio::test]
async fn an_untouched_log_is_what_was_written() {
    let log = Log::start().await;
    let verdict = log.verify(None).await;
    assert_eq!(
        (verdict.faults.len(), verdict.lines, verdict.open),
        (0, 10, 0),
        "{verdict:?}"
    );
    log.write(3).await;
    assert_eq!(log.verify(None).await.open, 3);
    let head = log.seal().await;
    let verdict = log.verify(Some(&head)).await;
    assert_eq!((verdict.faults.len(), verdict.lines), (0, 13), "{verdict:?}");
    assert_eq!(verdict.head, Some(head));
    assert!(audit::seal(&log.kit.db, &log.keys, true).await.unwrap().is_none());
}

#[tokio::test]
async fn every_change_behind_our_back_is_found_with_its_line() {
    let log = Log::start().await;
    let (a, b) = (log.id(3).await, log.id(4).await);
    log.tamper("CREATE SCHEMA kept; CREATE TABLE kept.logs AS SELECT * FROM audit_logs; CREATE TABLE kept.chain AS SELECT * FROM audit_chain").await;
    for (name, told) in [
        ("actor", "was changed"),
        ("metadata", "was changed"),
        ("ip", "was changed"),
        ("at", "was changed"),
        ("customer", "was changed"),
        ("request", "was changed"),
        ("removed", "is gone"),
        ("unlinked", "are gone"),
        ("swapped", "was changed"),
        ("renumbered", "was changed"),
        ("forged", "was changed"),
        ("inserted", "has no link"),
    ] {
        let sql = match name {
            "actor" => format!("UPDATE audit_logs SET actor = 'nobody' WHERE id = {a}"),
            "metadata" => format!("UPDATE audit_logs SET metadata = '{{}}' WHERE id = {a}"),
            "ip" => format!("UPDATE audit_logs SET ip = NULL WHERE id = {a}"),
            "at" => format!("UPDATE audit_logs SET at = at + interval '1 microsecond' WHERE id = {a}"),
            "customer" => format!("UPDATE audit_logs SET customer_id = gen_random_uuid() WHERE id = {a}"),
            "request" => format!("UPDATE audit_logs SET request_id = 'req-2' WHERE id = {a}"),
            "removed" => format!("DELETE FROM audit_logs WHERE id = {a}"),
            "unlinked" => format!("DELETE FROM audit_logs WHERE id = {a}; DELETE FROM audit_chain WHERE log_id = {a}"),
            "swapped" => format!(
                "UPDATE audit_chain SET log_id = -1 WHERE seq = 3; UPDATE audit_chain SET log_id = {a} WHERE seq = 4; UPDATE audit_chain SET log_id = {b} WHERE seq = 3"
            ),
            "renumbered" => "UPDATE audit_chain SET seq = 11 WHERE seq = 3; UPDATE audit_chain SET seq = seq - 1 WHERE seq > 3".to_owned(),
            "forged" => "UPDATE audit_chain SET mac = sha256('x') WHERE seq = 3".to_owned(),
            _ => "INSERT INTO audit_logs (actor, action, resource, at) VALUES ('admin', 'key.created', 'x', now() - interval '1 hour')".to_owned(),
        };
        log.tamper(&sql).await;
        let verdict = log.verify(None).await;
        assert!(
            verdict.faults.iter().any(|fault| fault.contains(told)),
            "{name}: {:?}",
            verdict.faults
        );
        let named = verdict
            .faults
            .iter()
            .any(|fault| fault.contains(&format!("line {a}")) || fault.contains(&format!("line {b}")));
        assert!(named || name == "inserted", "{name}: {:?}", verdict.faults);
        log.tamper(
            "DELETE FROM audit_logs; DELETE FROM audit_chain; INSERT INTO audit_chain SELECT * FROM kept.chain;
             INSERT INTO audit_logs OVERRIDING SYSTEM VALUE SELECT * FROM kept.logs",
        )
        .await;
        assert!(log.verify(None).await.faults.is_empty());
    }
}

#[tokio::test]
async fn a_line_that_is_put_in_with_an_earlier_date_stays_a_fault_when_it_is_linked() {
    let log = Log::start().await;
    log.tamper("INSERT INTO audit_logs (actor, action, resource, at) VALUES ('admin', 'key.created', 'x', now() - interval '3 hours')").await;
    log.seal().await;
    let verdict = log.verify(None).await;
    assert!(
        matches!(verdict.faults.as_slice(), [one] if one.contains("dated before")),
        "{:?}",
        verdict.faults
    );
}

#[tokio::test]
async fn a_chain_that_is_cut_off_or_made_anew_is_known_by_a_head_that_was_seen() {
    let log = Log::start().await;
    let seen = log.verify(None).await.head.unwrap();
    let last = log.id(10).await;
    log.tamper(&format!(
        "DELETE FROM audit_logs WHERE id >= {last}; DELETE FROM audit_chain WHERE seq >= 10"
    ))
    .await;
    assert!(log.verify(None).await.faults.is_empty(), "nothing inside shows it");
    let verdict = log.verify(Some(&seen)).await;
    assert!(verdict.faults[0].contains("cut off"), "{:?}", verdict.faults);
    // Somebody with the keys goes on as if nothing had been.
    log.write(1).await;
    log.seal().await;
    assert!(log.verify(None).await.faults.is_empty());
    let verdict = log.verify(Some(&seen)).await;
    assert!(verdict.faults[0].contains("made anew"), "{:?}", verdict.faults);
}

#[tokio::test]
async fn old_lines_go_and_a_checkpoint_stands_for_them() {
    const AGE: Duration = Duration::from_hours(24 * 400);
    let kit = Kit::start().await;
    let owner = domain::tenancy::Db::connect_owner(&kit.config.database).await.unwrap();
    let old = "INSERT INTO audit_logs (actor, action, resource, at) SELECT 'admin', 'thing.changed', n::text, now() - interval '401 days' FROM generate_series(1, 6) n";
    owner.execute_unprepared(old).await.unwrap();
    let keys = Envelopes::new(&kit.config.security.keys);
    let log = Log { kit, keys, owner };
    log.write(4).await;
    let seen = log.seal().await;
    assert_eq!(audit::purge(&log.kit.db, &log.keys, AGE).await.unwrap(), 6);
    assert_eq!(audit::purge(&log.kit.db, &log.keys, AGE).await.unwrap(), 0);
    let verdict = log.verify(Some(&seen)).await;
    assert_eq!(
        (verdict.faults.len(), verdict.lines, verdict.open),
        (0, 4, 1),
        "{verdict:?}"
    );
    log.seal().await;
    assert_eq!(log.verify(Some(&seen)).await.lines, 5);

    // Nobody removes more than that, and no checkpoint is anybody else's.
    let refused = log
        .owner
        .execute_unprepared("SELECT purge_audit_logs(8)")
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("no checkpoint"), "{refused}");
    log.tamper(
        "DELETE FROM audit_chain WHERE seq = 7; DELETE FROM audit_logs WHERE id = (SELECT min(id) FROM audit_logs)",
    )
    .await;
    log.tamper("INSERT INTO audit_checkpoints SELECT 7, sha256('x'), key_id, signature FROM audit_checkpoints")
        .await;
    let faults = log.verify(None).await.faults;
    assert!(
        faults.iter().any(|fault| fault.contains("signature is not ours")),
        "{faults:?}"
    );
}

#[tokio::test]
async fn young_lines_are_never_purged() {
    let log = Log::start().await;
    let system = log.kit.db.system().await.unwrap();
    let tried = "INSERT INTO audit_checkpoints (seq, mac, key_id, signature) SELECT seq, mac, key_id, mac FROM audit_chain WHERE seq = 5";
    system.execute_unprepared(tried).await.unwrap();
    let error = system
        .execute_unprepared("SELECT purge_audit_logs(5)")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("old enough"), "{error}");
    // Nor by the owner, for whom nothing but the trigger stands in the way.
    for forbidden in [
        "UPDATE audit_logs SET actor = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "DELETE FROM audit_chain",
    ] {
        let error = log.owner.execute_unprepared(forbidden).await.unwrap_err().to_string();
        assert!(error.contains("can only grow"), "{forbidden}: {error}");
    }
}

#[tokio::test]
async fn the_chain_outlives_new_keys() {
    let log = Log::start().await;
    let other = log.kit.config_with(&[
        ("ENCRYPTION_KEY", "6f".repeat(32)),
        ("ENCRYPTION_KEYS_OLD", "5e".repeat(32)),
    ]);
    let keys = Envelopes::new(&other.security.keys);
    let done = rotate(&log.kit.db, &keys, true, |_| ()).await.unwrap();
    assert!(done.wrapped >= 1 && done.renewed >= 1, "{done:?}");
    let log = Log {
        keys: Envelopes::new(
            &log.kit
                .config_with(&[("ENCRYPTION_KEY", "6f".repeat(32))])
                .security
                .keys,
        ),
        ..log
    };
    log.write(2).await;
    let head = log.seal().await;
    let verdict = log.verify(Some(&head)).await;
    assert!(verdict.faults.is_empty() && verdict.lines > 12, "{verdict:?}");
    assert!(log.kit.count("SELECT count(DISTINCT key_id) FROM audit_chain").await == 2);
}

#[tokio::test]
async fn two_workers_make_one_chain() {
    let log = Log::start().await;
    log.write(200).await;
    let work = async || {
        for _ in 0..20 {
            audit::seal(&log.kit.db, &log.keys, true).await.unwrap();
        }
    };
    tokio::join!(work(), work(), log.write(50));
    log.write(1).await;
    log.seal().await;
    let verdict = log.verify(None).await;
    assert_eq!(
        (verdict.faults.len(), verdict.lines, verdict.open),
        (0, 261, 0),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn lines_are_found_by_what_they_say() {
    let log = Log::start().await;
    let found = async |filter: Filter| audit::list(&log.kit.db, &filter, 100).await.unwrap();
    let all = found(Filter::default()).await;
    assert_eq!(all.len(), 10);
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id));
    assert!(all.iter().all(|line| line.request_id.as_deref() == Some("req-1")));
    let of = |action: &str| Filter {
        action: Some(action.into()),
        ..Filter::default()
    };
    assert_eq!(found(of("thing.*")).await.len(), 10);
    assert_eq!(found(of("thing.changed")).await.len(), 10);
    assert_eq!(found(of("thing")).await.len(), 0);
    assert_eq!(found(of("%")).await.len(), 0);
    let filter = Filter {
        resource: Some("3".into()),
        before: Some(all[0].id),
        since: Some(all[9].at),
        until: Some(all[0].at),
        ..Filter::default()
    };
    assert_eq!(found(filter).await.len(), 1);
    let nobodys = Filter {
        customers: Some(vec![]),
        ..Filter::default()
    };
    assert!(found(nobodys).await.is_empty());
}

#[tokio::test]
async fn the_newest_part_is_verified_by_itself() {
    let log = Log::start().await;
    let newest = async |most| audit::verify_newest(&log.kit.db, &log.keys, most).await.unwrap();
    let (old, new) = (log.id(3).await, log.id(9).await);
    let verdict = newest(4).await;
    assert_eq!((verdict.faults.len(), verdict.lines), (0, 4), "{verdict:?}");
    log.tamper(&format!("UPDATE audit_logs SET actor = 'nobody' WHERE id = {old}"))
        .await;
    assert!(newest(4).await.faults.is_empty(), "it is older");
    assert_eq!(newest(100).await.faults.len(), 1, "there is no more than all");
    log.tamper(&format!("DELETE FROM audit_logs WHERE id = {new}")).await;
    assert_eq!(newest(4).await.faults, [format!("line {new} is gone")]);
}

/// `GET /api/audit` of a customer, by actor or on a resource.
#[tokio::test]
async fn lists_are_read_by_their_own_indexes_and_not_through_everybodys_lines() {
    let log = Log::start().await;
    let run = |text: String| sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, text);
    let tx = log.kit.db.system().await.unwrap();
    let many = "INSERT INTO audit_logs (customer_id, actor, action, resource)
        SELECT md5((n % 100)::text)::uuid, 'key:' || n % 100, 'key.used', 'r' || n % 100 FROM generate_series(1, 20000) n";
    tx.execute_raw(run(many.to_owned())).await.unwrap();
    tx.commit().await.unwrap();
    log.owner.execute_unprepared("ANALYZE audit_logs").await.unwrap();
    for (of, index) in [
        ("customer_id IN (md5('7')::uuid)", "idx_audit_logs_of_customer"),
        ("actor = 'key:7'", "idx_audit_logs_by_actor"),
        ("resource = 'r7'", "idx_audit_logs_on_resource"),
    ] {
        let tx = log.kit.db.system().await.unwrap();
        let explain = format!("EXPLAIN SELECT * FROM audit_logs WHERE {of} ORDER BY id DESC LIMIT 51");
        let rows = tx.query_all_raw(run(explain)).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !plan.contains("Sort"), "{of}: {plan}");
    }
}
