//! No row points at a row of another customer, whoever writes it: tried as the superuser, whom no policy binds, with every reference that
//! the catalogue names.
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use testkit::{Catalogue, Kit};

/// References between tables with customers.
const REFERENCES: &str = "
    SELECT k.conrelid::regclass::text AS child, a.attname::text AS child_column, k.confrelid::regclass::text AS parent, p.attname::text AS parent_column
    FROM pg_constraint k CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS pair (here, there)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = here AND a.attname <> 'customer_id'
    JOIN pg_attribute p ON p.attrelid = k.confrelid AND p.attnum = there
    JOIN pg_attribute mine ON mine.attrelid = k.conrelid AND mine.attname = 'customer_id'
    JOIN pg_attribute other ON other.attrelid = k.confrelid AND other.attname = 'customer_id'
    WHERE k.contype = 'f' ORDER BY k.conrelid::regclass::text, a.attname";

#[tokio::test]
async fn no_row_can_point_at_a_row_of_another_customer() {
    let kit = Kit::start().await;
    let (mine, theirs) = (kit.customer("a.example").await.id, kit.customer("b.example").await.id);
    let catalogue = Catalogue::of(&kit).await;
    for (customer, mark) in [(None, "nobody's"), (Some(mine), "mine"), (Some(theirs), "theirs")] {
        catalogue.fill(customer, mark).await;
    }
    let found = Statement::from_string(DbBackend::Postgres, REFERENCES);
    let found = catalogue.owner.query_all_raw(found).await.unwrap();
    assert!(found.len() >= 25, "{}", found.len());
    for row in found {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        let (child, column, parent, key) = (
            text("child"),
            text("child_column"),
            text("parent"),
            text("parent_column"),
        );
        let tx = catalogue.owner.begin().await.unwrap();
        // Theirs must not be in the way where a row is named by what it refers to.
        let cleared = format!("DELETE FROM {child} WHERE customer_id = '{theirs}' AND '{child}' <> '{parent}'");
        tx.execute_unprepared(&cleared).await.unwrap();
        let point = |at: &str| {
            format!(
                "UPDATE {child} SET {column} = (SELECT {key} FROM {parent} WHERE customer_id = '{at}' LIMIT 1) WHERE customer_id = '{mine}'"
            )
        };
        let own = tx.execute_unprepared(&point(&mine.to_string())).await.unwrap();
        assert!(own.rows_affected() > 0, "{child} has no row");
        let refused = tx.execute_unprepared(&point(&theirs.to_string())).await;
        let refused = refused.expect_err(&format!("{child}.{column}")).to_string();
        assert!(
            refused.contains("foreign key") || refused.contains("that its customer has not"),
            "{child}.{column}: {refused}"
        );
    }
}

#[tokio::test]
async fn what_a_reference_leaves_empty_keeps_its_customer() {
    let kit = Kit::start().await;
    let mine = kit.customer("a.example").await.id;
    let catalogue = Catalogue::of(&kit).await;
    catalogue.fill(None, "nobody's").await;
    catalogue.fill(Some(mine), "mine").await;
    let twin = "INSERT INTO scraped_pages (id, customer_id, url, title, markdown, content_hash, status, fetched_at, duplicate_of)
        SELECT gen_random_uuid(), customer_id, 'https://a.example/twin', '', '', '', 200, now(), id FROM scraped_pages;
        UPDATE question_gaps SET resolved_by = (SELECT duplicate_of FROM scraped_pages WHERE duplicate_of IS NOT NULL);
        DELETE FROM scraped_pages WHERE id = (SELECT resolved_by FROM question_gaps)";
    catalogue.owner.execute_unprepared(twin).await.unwrap();
    for table in ["scraped_pages WHERE duplicate_of", "question_gaps WHERE resolved_by"] {
        let left = format!("SELECT count(*) FROM {table} IS NULL AND customer_id = '{mine}'");
        assert_eq!(catalogue.count(&left).await, 1, "{table}");
    }
}
