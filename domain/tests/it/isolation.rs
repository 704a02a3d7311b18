//! Customers kept apart by the database itself: what holds for every table that its catalogue names, whoever added it.
use domain::tenancy::{Customer, TenantTx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::BTreeMap;
use testkit::{Catalogue, Kit, Owned, Table};
use uuid::Uuid;

/// Tables that every customer may read and none may write.
const SHARED: [&str; 2] = ["embedding_models", "queue_controls"];
/// Tables that name customers and are the installation's own: no customer sees a row or makes one.
const HIDDEN: [&str; 1] = ["admin_user_customers"];

fn statement(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}

async fn try_to(tx: &TenantTx, sql: &str) -> Result<u64, String> {
    let done = tx.execute_raw(statement(sql)).await;
    done.map(|done| done.rows_affected()).map_err(|error| error.to_string())
}

/// How many rows it sees; none where it may not even look.
async fn count(tx: &TenantTx, sql: &str) -> i64 {
    let counted = tx.query_one_raw(statement(sql)).await;
    match counted {
        Ok(row) => row.unwrap().try_get_by_index(0).unwrap(),
        Err(error) => {
            assert!(error.to_string().contains("permission denied"), "{sql}: {error}");
            0
        }
    }
}

/// Two customers, and rows of both and of nobody in every table.
struct Two {
    kit: Kit,
    catalogue: Catalogue,
    mine: Customer,
    theirs: Customer,
}

impl Two {
    async fn start() -> Self {
        let kit = Kit::start().await;
        let (mine, theirs) = (kit.customer("a.example").await, kit.customer("b.example").await);
        let catalogue = Catalogue::of(&kit).await;
        catalogue.fill(None, "nobody's").await;
        catalogue.fill(Some(mine.id), "mine").await;
        catalogue.fill(Some(theirs.id), "theirs").await;
        Self {
            kit,
            catalogue,
            mine,
            theirs,
        }
    }

    /// What others than `mine` have.
    async fn of_others(&self) -> [BTreeMap<String, String>; 2] {
        [
            self.catalogue.digests(Some(self.theirs.id)).await,
            self.catalogue.digests(None).await,
        ]
    }

    /// Tries a statement in a transaction of its own, as `mine`.
    async fn try_to(&self, sql: &str) -> Result<u64, String> {
        let tx = self.kit.db.tenant(&self.mine).await.unwrap();
        let done = try_to(&tx, sql).await?;
        tx.commit().await.unwrap();
        Ok(done)
    }
}

fn is_refused(tried: &Result<u64, String>) -> bool {
    let words = ["row-level security", "permission denied"];
    tried
        .as_ref()
        .is_err_and(|error| words.iter().any(|word| error.contains(word)))
}

#[tokio::test]
async fn every_table_gets_a_row_of_both_customers() {
    let two = Two::start().await;
    assert!(two.catalogue.tables.len() >= 30, "{}", two.catalogue.tables.len());
    for Table { name, owned, .. } in &two.catalogue.tables {
        let (column, owners) = match owned {
            Owned::ByCustomer { .. } => ("customer_id", vec![two.mine.id, two.theirs.id]),
            Owned::Itself => ("id", vec![two.mine.id, two.theirs.id]),
            Owned::No => ("", vec![]),
        };
        for owner in owners {
            let rows = two
                .catalogue
                .count(&format!("SELECT count(*) FROM {name} WHERE {column} = '{owner}'"))
                .await;
            assert!(rows > 0, "{name} has no row of {owner}");
        }
        let any = two.catalogue.count(&format!("SELECT count(*) FROM {name}")).await;
        assert!(any > 0, "{name} is empty");
    }
}

#[tokio::test]
async fn a_customer_sees_its_own_rows_of_every_table_and_without_a_customer_there_are_none() {
    let two = Two::start().await;
    let nobodies = [
        "",
        "A.EXAMPLE",
        "b.example.",
        "%",
        "a.example' OR 'x'='x",
        r"a.example\' OR 'x'='x",
    ];
    let nobodies = nobodies.map(|domain| Customer {
        id: Uuid::now_v7(),
        domain: domain.to_owned(),
        ..two.mine.clone()
    });
    for table in &two.catalogue.tables {
        let name = &table.name;
        let all = format!("SELECT count(*) FROM {name}");
        if !SHARED.contains(&name.as_str()) {
            for nobody in &nobodies {
                let tx = two.kit.db.tenant(nobody).await.unwrap();
                assert_eq!(count(&tx, &all).await, 0, "{name} shows rows to {:?}", nobody.domain);
            }
        }
        let tx = two.kit.db.tenant(&two.mine).await.unwrap();
        match table.customer_column() {
            Some(_) if HIDDEN.contains(&name.as_str()) => assert_eq!(count(&tx, &all).await, 0, "{name} shows rows"),
            Some(column) => {
                let (mine, own) = (two.mine.id, format!("{all} WHERE {column} = '{}'", two.mine.id));
                let foreign = format!("{all} WHERE {column} IS DISTINCT FROM '{mine}'");
                assert_eq!(count(&tx, &foreign).await, 0, "{name} shows foreign rows");
                assert_eq!(
                    count(&tx, &own).await,
                    two.catalogue.count(&own).await,
                    "{name} hides own rows"
                );
            }
            None if SHARED.contains(&name.as_str()) => assert!(count(&tx, &all).await > 0, "{name} is for everybody"),
            None => assert_eq!(count(&tx, &all).await, 0, "{name} is the installation's own"),
        }
    }
}

#[tokio::test]
async fn a_customer_changes_nothing_of_another_in_any_table() {
    let two = Two::start().await;
    let before = two.of_others().await;
    for table in &two.catalogue.tables {
        let name = &table.name;
        let seen = table.customer_column().filter(|_| !HIDDEN.contains(&name.as_str()));
        let Some(column) = seen else {
            let owner = table.customer_column().map(|_| two.mine.id);
            for tried in [table.insert(owner, "forged"), format!("DELETE FROM {name}")] {
                let done = two.try_to(&tried).await;
                assert!(is_refused(&done) || done == Ok(0), "{tried}: {done:?}");
            }
            continue;
        };
        let (mine, theirs) = (two.mine.id, two.theirs.id);
        for others in [
            format!("{column} = '{theirs}'"),
            format!("{column} IS DISTINCT FROM '{mine}'"),
        ] {
            for tried in [
                format!("UPDATE {name} SET {column} = {column} WHERE {others}"),
                format!("UPDATE {name} SET {column} = '{mine}' WHERE {others}"),
                format!("DELETE FROM {name} WHERE {others}"),
            ] {
                let done = two.try_to(&tried).await;
                assert!(done == Ok(0) || is_refused(&done), "{tried}: {done:?}");
            }
        }
        let give = match table.owned {
            // It would become another customer, whom nobody has made.
            Owned::Itself => format!("UPDATE {name} SET domain = 'c.example' WHERE {column} = '{mine}'"),
            _ => format!("UPDATE {name} SET {column} = '{theirs}' WHERE {column} = '{mine}'"),
        };
        let given_away = two.try_to(&give).await;
        assert!(is_refused(&given_away), "{name} is given away: {given_away:?}");
        if let Owned::ByCustomer { nullable } = table.owned {
            for owner in [Some(theirs), None].into_iter().take(1 + usize::from(nullable)) {
                let forged = two.try_to(&table.insert(owner, "forged")).await;
                assert!(is_refused(&forged), "{name} takes a row of {owner:?}: {forged:?}");
            }
        }
        for forbidden in [
            format!("TRUNCATE {name}"),
            format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
        ] {
            let tried = two.try_to(&forbidden).await;
            assert!(tried.is_err(), "{forbidden}");
        }
    }
    assert_eq!(two.of_others().await, before);
}

#[tokio::test]
async fn a_trigger_of_the_system_s_own_can_not_be_turned_against_another_customer() {
    let two = Two::start().await;
    let before = two.of_others().await;
    let tx = two.kit.db.tenant(&two.mine).await.unwrap();
    // Roles may make temporary tables, and any rows are in those.
    let job = two.catalogue.uuids(two.theirs.id).await;
    try_to(&tx, "CREATE TEMPORARY TABLE bait (id uuid)").await.unwrap();
    for id in job {
        try_to(&tx, &format!("INSERT INTO bait VALUES ('{id}')")).await.unwrap();
    }
    let trigger = "CREATE TRIGGER forget AFTER DELETE ON bait REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_job_events()";
    assert!(is_refused(&try_to(&tx, trigger).await));
    drop(tx);
    assert_eq!(two.of_others().await, before);
    // Its own trigger goes on doing its work.
    let events = format!(
        "SELECT count(*) FROM job_events e JOIN jobs j ON j.id = e.job_id WHERE j.customer_id = '{}'",
        two.mine.id
    );
    let told =
        "INSERT INTO job_events (customer_id, job_id, kind, data) SELECT customer_id, id, 'queued', '{}' FROM jobs";
    two.try_to(told).await.unwrap();
    assert_eq!(two.catalogue.count(&events).await, 1);
    let job_events = format!(
        "SELECT count(*) FROM job_events WHERE customer_id = '{}' AND kind = 'queued'",
        two.mine.id
    );
    two.try_to("DELETE FROM jobs").await.unwrap();
    assert_eq!(two.catalogue.count(&job_events).await, 0);
}

/// What somebody may add to the schema one day, and what the check after each migration says of it.
const HOLES: [(&str, &str); 25] = [
    (
        "CREATE TABLE hole (customer_id uuid)",
        "table hole: row-level security is not forced",
    ),
    (
        "CREATE TABLE hole (customer_id uuid); ALTER TABLE hole ENABLE ROW LEVEL SECURITY; ALTER TABLE hole FORCE ROW LEVEL SECURITY",
        "table hole: there is no policy `tenant`",
    ),
    (
        "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY",
        "table jobs: row-level security is not forced",
    ),
    (
        "DROP POLICY tenant ON jobs; CREATE POLICY tenant ON jobs USING (true) WITH CHECK (true)",
        "table jobs: the policy `tenant` does not compare the customer",
    ),
    (
        "ALTER POLICY tenant ON customer_configs USING (domain = current_setting('app.current_domain', true))",
        "table customer_configs: the policy `tenant` does not compare the customer",
    ),
    (
        "DROP POLICY tenant ON jobs; CREATE POLICY tenant ON jobs FOR SELECT USING (false)",
        "table jobs: there is no policy `tenant`",
    ),
    (
        "ALTER POLICY tenant ON jobs WITH CHECK (true)",
        "table jobs: the policy `tenant` lets other rows be written",
    ),
    (
        "CREATE POLICY more ON jobs FOR SELECT USING (priority > 0)",
        "table jobs: the policy `more` shows more",
    ),
    (
        "GRANT TRUNCATE ON jobs TO omniops_app",
        "table jobs: omniops_app may TRUNCATE",
    ),
    ("GRANT SELECT ON jobs TO PUBLIC", "table jobs: everybody may SELECT"),
    (
        "GRANT UPDATE (actor) ON audit_logs TO omniops_app",
        "table audit_logs: omniops_app may UPDATE",
    ),
    (
        "GRANT DELETE ON audit_logs TO omniops_system",
        "table audit_logs: omniops_system may DELETE",
    ),
    (
        "CREATE VIEW hole AS SELECT * FROM jobs",
        "view hole: it stands outside of row-level security",
    ),
    (
        "CREATE MATERIALIZED VIEW hole AS SELECT * FROM jobs",
        "materialized view hole: it stands outside",
    ),
    (
        "CREATE SEQUENCE hole; GRANT USAGE ON SEQUENCE hole TO omniops_app",
        "sequence hole: omniops_app may use it",
    ),
    (
        "CREATE FUNCTION hole() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = public AS 'SELECT count(*) FROM jobs'",
        "function hole(): omniops_app may execute it as its owner",
    ),
    (
        "ALTER TABLE messages DROP CONSTRAINT messages_conversation_id_fkey, ADD CONSTRAINT by_id FOREIGN KEY (conversation_id) REFERENCES conversations (id)",
        "table messages: by_id lets a row refer to one of another customer",
    ),
    (
        "ALTER TABLE job_urls ALTER COLUMN customer_id DROP NOT NULL",
        "table job_urls: job_urls_job_id_fkey lets a row refer to one of another customer",
    ),
    (
        "DROP TRIGGER same_customer ON scrape_jobs",
        "table scrape_jobs: scrape_jobs_job_id_fkey lets a row refer to one of another customer",
    ),
    (
        "CREATE OR REPLACE TRIGGER same_customer AFTER INSERT ON next_embeddings FOR EACH ROW EXECUTE FUNCTION same_customer('page_embeddings', 'chunk_id')",
        "table next_embeddings: next_embeddings_chunk_id_fkey lets a row refer to one of another customer",
    ),
    (
        "ALTER FUNCTION url_origin(text) LEAKPROOF",
        "function url_origin(text): it is said to leak nothing",
    ),
    (
        "ALTER ROLE omniops_app BYPASSRLS",
        "role omniops_app: it may go around row-level security",
    ),
    (
        "GRANT omniops_system TO omniops_app",
        "role omniops_app: it is a member of omniops_system",
    ),
    (
        "GRANT CREATE ON SCHEMA public TO omniops_app",
        "role omniops_app: it may make things in the schema public",
    ),
    (
        "CREATE SCHEMA aside; CREATE TABLE aside.hole (customer_id uuid); GRANT USAGE ON SCHEMA aside TO omniops_app; GRANT SELECT ON aside.hole TO omniops_app",
        "table aside.hole: it stands outside of the schema public",
    ),
];

#[tokio::test]
async fn the_check_after_migrations_names_every_way_around_row_level_security() {
    let kit = Kit::start().await;
    let owner = Catalogue::of(&kit).await.owner;
    assert_eq!(migration::faults(&owner).await.unwrap(), Vec::<String>::new());
    for (hole, told) in HOLES {
        use sea_orm::TransactionTrait;
        let tx = owner.begin().await.unwrap();
        tx.execute_unprepared(hole).await.unwrap();
        let faults = migration::faults(&tx).await.unwrap();
        assert!(faults.iter().any(|fault| fault.starts_with(told)), "{hole}: {faults:?}");
        tx.rollback().await.unwrap();
    }
    // Views that ask as their reader are fine, and what somebody else keeps beside.
    for fine in [
        "CREATE VIEW fine WITH (security_invoker = true) AS SELECT * FROM jobs",
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.fine (n int)",
    ] {
        owner.execute_unprepared(fine).await.unwrap();
    }
    assert_eq!(migration::faults(&owner).await.unwrap(), Vec::<String>::new());
    // A migration that leaves a hole fails and names it.
    owner.execute_unprepared(HOLES[0].0).await.unwrap();
    let refused = migration::migrate(&owner, None).await.unwrap_err().to_string();
    assert!(refused.contains("table hole"), "{refused}");
}
