//! `omniops keys`, `omniops audit` and what `doctor` says of both, as an operator runs them.
use domain::{
    audit,
    people::webhooks::{self, NewWebhook},
    privacy::{Privacy, Subject},
    secrets::Envelopes,
};
use sea_orm::ConnectionTrait;
use serde_json::Value;
use std::process::Output;
use testkit::Kit;

use crate::process::{omniops, run, stderr, stdout};

/// Runs a command on the kit's installation, with some variables changed.
async fn ran(kit: &Kit, args: &[&str], changes: &[(&str, &str)]) -> Output {
    let mut command = omniops();
    command
        .args(args)
        .envs(&kit.variables)
        .env("DISABLE_VECTOR_SEARCH", "true");
    command.envs(changes.iter().copied());
    run(command).await
}

/// How it ended, and all that it said.
async fn told(kit: &Kit, args: &[&str], changes: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = ran(kit, args, changes).await;
    (output.status.code(), stdout(&output) + &stderr(&output))
}

#[tokio::test]
async fn a_master_key_is_changed_and_the_old_one_dropped() {
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let tx = kit.db.tenant(&customer).await.expect("a transaction");
    let new = NewWebhook {
        url: "https://hooks.example/".into(),
        events: vec!["handoff.requested".into()],
    };
    let by = domain::jobs::Operator::named("test");
    let envelopes = Envelopes::new(&kit.config.security.keys);
    webhooks::create(&tx, &envelopes, &new, by).await.expect("a webhook");
    tx.commit().await.expect("a commit");
    let privacy = Privacy::new(kit.db.clone(), &kit.config);
    let somebody = Subject::Session(customer.id);
    privacy.erase(&customer, &somebody, by).await.expect("an erasure");

    let (old, new) = (kit.variables["ENCRYPTION_KEY"].clone(), "a7".repeat(32));
    let (code, said) = told(&kit, &["keys", "status"], &[]).await;
    assert!(code == Some(0) && said.contains("outbound_webhooks.secret"), "{said}");
    // Without the key before, nothing is lost, and the missing key is named by its id.
    let missing = envelopes_id(&kit);
    let (code, said) = told(&kit, &["keys", "rotate"], &[("ENCRYPTION_KEY", &new)]).await;
    assert!(
        code == Some(1) && said.contains(&missing) && !said.contains(&old),
        "{said}"
    );
    let (_, said) = told(&kit, &["doctor"], &[("ENCRYPTION_KEY", &new)]).await;
    assert!(
        said.lines()
            .any(|line| line.starts_with("MEND  encryption keys") && line.contains(&missing)),
        "{said}"
    );

    let both = [("ENCRYPTION_KEY", new.as_str()), ("ENCRYPTION_KEYS_OLD", old.as_str())];
    let (_, said) = told(&kit, &["doctor"], &both).await;
    assert!(
        said.lines().any(|line| line.starts_with("note  encryption keys")),
        "{said}"
    );
    let (code, said) = told(&kit, &["keys", "rotate", "--data-keys"], &both).await;
    assert!(code == Some(0) && said.contains("values sealed anew       1"), "{said}");
    assert!(said.contains("But 1 receipts of erasures"), "{said}");
    let (code, said) = told(&kit, &["keys", "status"], &both[..1]).await;
    assert!(
        code == Some(0) && !said.contains("NOT KNOWN") && !said.contains(&missing),
        "{said}"
    );
    let (_, said) = told(&kit, &["doctor"], &both[..1]).await;
    assert!(said.lines().any(|line| line == "ok    encryption keys"), "{said}");
    assert!(said.contains("1 receipts open under no key"), "{said}");
}

/// The id of the kit's master key.
fn envelopes_id(kit: &Kit) -> String {
    kit.config.security.keys.present().id().to_owned()
}

#[tokio::test]
async fn an_operator_verifies_and_exports_the_audit_log() {
    let kit = Kit::start().await;
    kit.customer("shop.example").await;
    kit.customer("other.example").await;
    let envelopes = Envelopes::new(&kit.config.security.keys);
    let (head, _) = audit::seal(&kit.db, &envelopes, true)
        .await
        .expect("links")
        .expect("a head");
    let head = head.to_string();
    let (code, said) = told(&kit, &["audit", "verify", "--head", &head], &[]).await;
    assert!(code == Some(0) && said.contains(&head), "{said}");
    let (code, said) = told(&kit, &["doctor", "--audit"], &[]).await;
    assert!(said.lines().any(|line| line == "ok    audit log"), "{code:?} {said}");

    let exported = ran(&kit, &["audit", "export", "--action", "customer.*"], &[]).await;
    let (code, said) = (exported.status.code(), stdout(&exported));
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (code, lines.len(), &lines[0]["actor"]),
        (Some(0), 2, &Value::from("test")),
        "{said}"
    );
    let none = ran(&kit, &["audit", "export", "--until", "2001-01-01"], &[]).await;
    assert_eq!(stdout(&none), "");

    let owner = domain::tenancy::Db::connect_owner(&kit.config.database)
        .await
        .expect("the owner");
    let change = "SET session_replication_role = replica; UPDATE audit_logs SET actor = 'nobody' WHERE id = (SELECT min(id) FROM audit_logs)";
    owner
        .execute_unprepared(change)
        .await
        .expect("a change behind our back");
    let (code, said) = told(&kit, &["audit", "verify"], &[]).await;
    assert!(code == Some(1) && said.contains("FAULT  line"), "{said}");
    let (_, said) = told(&kit, &["doctor"], &[]).await;
    assert!(
        said.lines().any(|line| line.starts_with("MEND  audit log: line")),
        "{said}"
    );
    let (code, said) = told(&kit, &["doctor", "--audit"], &[]).await;
    assert!(
        code == Some(1) && said.lines().any(|line| line.starts_with("MEND  audit log: line")),
        "{said}"
    );
}
