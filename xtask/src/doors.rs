//! Who opens the doors that row-level security does not guard: transactions and statements of the system (`Db::system`, `Db::ledger`,
//! `Db::ledger_statement`) and connections of the schema's owner (`Db::connect_owner`). Every file that does stands here with its reason, so
//! that another one is a decision that a reviewer sees. All others go through `Db::tenant`.
use regex::Regex;
use std::{collections::BTreeSet, fs};

use crate::shell::{output, root};

/// Files, with why a customer's transaction would not do.
const CALLERS: [(&str, &[&str]); 11] = [
    (
        "nobody is known yet: what is looked up says who asks, for what host, or where a webhook belongs",
        &[
            "domain/src/commerce/inbox.rs",
            "domain/src/tenancy/customers.rs",
            "domain/src/tenancy/domains.rs",
            "domain/src/tenancy/keys/mod.rs",
            "domain/src/tenancy/users/attempts.rs",
            "domain/src/tenancy/users/login.rs",
            "domain/src/tenancy/users/manage.rs",
            "domain/src/tenancy/users/second_factor.rs",
            "domain/src/tenancy/users/session.rs",
            "domain/src/tenancy/visitors.rs",
        ],
    ),
    (
        "the ledger hands out the jobs of all customers",
        &[
            "domain/src/jobs/claim.rs",
            "domain/src/jobs/controls.rs",
            "domain/src/jobs/dead.rs",
            "domain/src/jobs/dispatch.rs",
            "domain/src/jobs/events.rs",
            "domain/src/jobs/heartbeat.rs",
            "domain/src/jobs/retention.rs",
            "domain/src/jobs/schedules.rs",
            "domain/src/jobs/settle.rs",
            "domain/src/jobs/stats.rs",
            "domain/src/jobs/waiting.rs",
            "domain/src/jobs/workers.rs",
        ],
    ),
    (
        "which customers have something to be done",
        &[
            "domain/src/commerce/due.rs",
            "domain/src/learning/due.rs",
            "domain/src/pages/removal.rs",
            "domain/src/pages/staging.rs",
            "domain/src/tenancy/checks.rs",
        ],
    ),
    (
        "the audit log is one for all; `list` keeps to the customers of whoever reads",
        &[
            "domain/src/audit/chain.rs",
            "domain/src/audit/list.rs",
            "domain/src/audit/mod.rs",
            "domain/src/audit/retention.rs",
            "domain/src/audit/verify.rs",
        ],
    ),
    (
        "the operator sets budgets and ends the kept answers of all customers",
        &[
            "domain/src/answering/cache/table.rs",
            "domain/src/answering/model/budget.rs",
        ],
    ),
    (
        "addresses that the operator blocks are nobody's",
        &["domain/src/limits/blocks.rs"],
    ),
    (
        "which models and languages the whole index has, and its change to another model",
        &[
            "domain/src/pages/index.rs",
            "domain/src/pages/languages.rs",
            "domain/src/pages/model_change.rs",
            "domain/src/retrieval/models.rs",
        ],
    ),
    (
        "a customer's end, erasures of customers that a restored backup brought back, and what is too old of all of them",
        &[
            "domain/src/privacy/ending.rs",
            "domain/src/privacy/replay.rs",
            "domain/src/privacy/retention.rs",
            "domain/src/privacy/standing.rs",
        ],
    ),
    (
        "data keys of all customers move to another master key",
        &["domain/src/secrets/rotate.rs", "domain/src/secrets/status.rs"],
    ),
    ("the state of the schema", &["domain/src/schema.rs"]),
    (
        "migrations, copies of the whole database and checks of the schema are its owner's",
        &[
            "cli/src/commands/copies/backup.rs",
            "cli/src/commands/copies/restore.rs",
            "cli/src/commands/copies/revoked.rs",
            "cli/src/commands/doctor/database.rs",
            "cli/src/commands/eval/retrieval.rs",
            "cli/src/commands/migrate.rs",
        ],
    ),
];

#[test]
fn whoever_sees_all_customers_stands_in_the_list() {
    let door = Regex::new(r"(?:\.(?:system|ledger|ledger_statement)|\bconnect_owner)\(").unwrap();
    // Also those that nobody has added yet.
    let files = output(
        "git",
        &["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"],
    )
    .unwrap();
    let ours = |path: &&str| {
        // The doors themselves.
        *path != "domain/src/tenancy/tx.rs"
            && !["bench/", "testkit/", "xtask/"].iter().any(|at| path.starts_with(at))
            && !path.contains("/tests/")
    };
    let mut found = BTreeSet::new();
    for path in files.lines().filter(ours) {
        // One that is being moved is read where it goes.
        let Ok(text) = fs::read_to_string(root().join(path)) else {
            continue;
        };
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
        if code.into_iter().any(|line| door.is_match(line)) {
            found.insert(path);
        }
    }
    let known: BTreeSet<&str> = CALLERS.iter().flat_map(|(_, files)| *files).copied().collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(
        new.is_empty(),
        "these open a system transaction and are not listed: {new:?}"
    );
    let idle: Vec<_> = known.difference(&found).collect();
    assert!(idle.is_empty(), "these don't any more: {idle:?}");
}
