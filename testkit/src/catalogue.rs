//! The tables of a database as its own catalogue has them: a row for any of them made from its columns, and what a customer has in
//! all of them. A table that a migration adds is among them without anybody naming it.
//!
//! It works as the superuser, whom row-level security does not bind, so it is the witness of tests about others.
use domain::tenancy::Db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

use crate::Kit;

/// Columns whose rules can't be read from their types, with a value that keeps them: table, column, SQL.
const SPECIAL: [(&str, &str, &str); 3] = [
    ("address_blocks", "network", "'203.0.113.0/24'"),
    ("page_embeddings", "config", "'english'"),
    ("staged_chunks", "config", "'english'"),
];

/// Whose a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    /// The customer's that the column `customer_id` names.
    ByCustomer {
        /// Rows without a customer are the system's own.
        nullable: bool,
    },
    /// The row is the customer.
    Itself,
    /// No customer's.
    No,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whose its rows are.
    pub owned: Owned,
    columns: Vec<Column>,
}

impl Table {
    /// The column that names the customer.
    pub fn customer_column(&self) -> Option<&'static str> {
        match self.owned {
            Owned::ByCustomer { .. } => Some("customer_id"),
            Owned::Itself => Some("id"),
            Owned::No => None,
        }
    }
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what the catalogue says of a column, each by itself"
)]
struct Column {
    name: String,
    kind: String,
    required: bool,
    /// It has a default, or an identity.
    filled: bool,
    /// It can't be given.
    made: bool,
    /// A check names it.
    checked: bool,
    /// The first text that its check allows.
    allowed: Option<String>,
    /// The table and column that it refers to.
    refers: Option<(String, String)>,
}

const COLUMNS: &str = "SELECT c.relname::text AS table_name, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull AS required,
    a.atthasdef OR a.attidentity <> '' AS filled, a.attgenerated <> '' OR a.attidentity = 'a' AS made,
    EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)) AS checked,
    (SELECT (regexp_match(pg_get_constraintdef(k.oid), $$'([^']*)'::text$$))[1] FROM pg_constraint k
      WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] ORDER BY 1 LIMIT 1) AS allowed, r.refers, r.refers_column
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN LATERAL (SELECT f.relname::text AS refers, fa.attname::text AS refers_column FROM pg_constraint k
    CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS u (here, there) JOIN pg_class f ON f.oid = k.confrelid
    JOIN pg_attribute fa ON fa.attrelid = f.oid AND fa.attnum = u.there
    WHERE k.conrelid = c.oid AND k.contype = 'f' AND u.here = a.attnum ORDER BY cardinality(k.conkey) DESC, f.relname = 'customer_configs' LIMIT 1) r ON true
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition AND c.relname <> 'seaql_migrations'
  ORDER BY c.relname, a.attnum";

/// The tables of a kit's database, and the superuser's look at them.
pub struct Catalogue {
    /// The superuser.
    pub owner: DatabaseConnection,
    /// The tables, each after those that its rows need.
    pub tables: Vec<Table>,
}

impl Catalogue {
    /// Reads it.
    pub async fn of(kit: &Kit) -> Self {
        let owner = Db::connect_owner(&kit.config.database)
            .await
            .expect("the owner's connection");
        let rows = owner.query_all_raw(statement(COLUMNS)).await.expect("the catalogue");
        let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for row in &rows {
            columns.entry(text(row, "table_name")).or_default().push(column(row));
        }
        let tables = in_order(
            columns
                .into_iter()
                .map(|(name, columns)| table(name, columns))
                .collect(),
        );
        Self { owner, tables }
    }

    /// Gives every table a row of the customer, or of nobody, with `mark` in all texts that may be anything. Rows that are there
    /// already stay.
    pub async fn fill(&self, customer: Option<Uuid>, mark: &str) {
        for table in &self.tables {
            let fits = match table.owned {
                Owned::ByCustomer { nullable } => customer.is_some() || nullable,
                Owned::Itself => false,
                Owned::No => customer.is_none(),
            };
            if fits {
                let insert = format!("{} ON CONFLICT DO NOTHING", table.insert(customer, mark));
                let done = self.owner.execute_raw(statement(&insert)).await;
                done.unwrap_or_else(|error| {
                    panic!("a row for {} ({error}); see testkit's SPECIAL: {insert}", table.name)
                });
            }
        }
    }

    /// One number.
    pub async fn count(&self, query: &str) -> i64 {
        let row = self
            .owner
            .query_one_raw(statement(query))
            .await
            .expect("the query")
            .expect("a row");
        row.try_get_by_index(0).expect("a bigint")
    }

    /// What a customer has: a digest of its rows for each table. Without a customer, what belongs to none.
    pub async fn digests(&self, customer: Option<Uuid>) -> BTreeMap<String, String> {
        let mut digests = BTreeMap::new();
        for table in &self.tables {
            let rows = match table.customer_column() {
                Some(column) => format!("{column} IS NOT DISTINCT FROM {}", literal(customer)),
                None => customer.is_none().to_string(),
            };
            let query = format!(
                "SELECT count(*) || ' rows ' || coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') AS d FROM {} r WHERE {rows}",
                table.name
            );
            let row = self
                .owner
                .query_one_raw(statement(&query))
                .await
                .expect("a digest")
                .expect("a row");
            digests.insert(table.name.clone(), text(&row, "d"));
        }
        digests
    }

    /// All UUIDs in a customer's rows, but for those that are everybody's.
    pub async fn uuids(&self, customer: Uuid) -> BTreeSet<Uuid> {
        let mut found = BTreeSet::new();
        for table in &self.tables {
            let Some(owner) = table.customer_column() else { continue };
            let shared = |column: &Column| {
                let refers = column.refers.as_ref().map(|(table, _)| table);
                refers.is_some_and(|name| self.tables.iter().any(|t| t.name == *name && t.owned == Owned::No))
            };
            let columns = table.columns.iter().filter(|c| c.kind == "uuid" && !shared(c));
            for column in columns {
                let query = format!(
                    "SELECT DISTINCT {0} AS id FROM {1} WHERE {owner} = {2} AND {0} IS NOT NULL",
                    column.name,
                    table.name,
                    literal(Some(customer))
                );
                for row in self.owner.query_all_raw(statement(&query)).await.expect("ids") {
                    found.insert(row.try_get("", "id").expect("a uuid"));
                }
            }
        }
        found
    }
}

impl Table {
    /// A statement that gives it a row of the customer, or of nobody. What its rows refer to must be there.
    pub fn insert(&self, customer: Option<Uuid>, mark: &str) -> String {
        let given: Vec<(&str, String)> = self
            .columns
            .iter()
            .filter_map(|column| Some((column.name.as_str(), self.value(column, customer, mark)?)))
            .collect();
        let (names, values): (Vec<&str>, Vec<String>) = given.into_iter().unzip();
        if names.is_empty() {
            return format!("INSERT INTO {} DEFAULT VALUES", self.name);
        }
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.name,
            names.join(", "),
            values.join(", ")
        )
    }

    /// A value for a column that needs one, or can show a mark.
    fn value(&self, column: &Column, customer: Option<Uuid>, mark: &str) -> Option<String> {
        let special = SPECIAL
            .iter()
            .find(|(table, name, _)| *table == self.name && *name == column.name);
        if let Some((.., sql)) = special {
            return Some((*sql).to_owned());
        }
        if Some(column.name.as_str()) == self.customer_column() {
            return Some(literal(customer));
        }
        let shows = column.kind == "text" && !column.checked && column.refers.is_none();
        if column.made || !(shows || (column.required && !column.filled)) {
            return None;
        }
        if let Some((table, other)) = &column.refers {
            let rows = match table.as_str() {
                "customer_configs" => format!("WHERE id = {}", literal(customer)),
                _ if customer.is_some() => format!(
                    "r WHERE NOT jsonb_exists(to_jsonb(r), 'customer_id') OR to_jsonb(r)->>'customer_id' = {0}::text",
                    literal(customer)
                ),
                _ => String::new(),
            };
            return Some(format!("(SELECT {other} FROM {table} {rows} ORDER BY 1 LIMIT 1)"));
        }
        Some(match &column.allowed {
            Some(allowed) if column.kind == "text" => quoted(allowed),
            _ => column.sample(&format!("{mark} {} {}", self.name, column.name)),
        })
    }
}

impl Column {
    /// Any value of the column's type.
    fn sample(&self, mark: &str) -> String {
        let mark = quoted(mark);
        let (kind, size) = self
            .kind
            .split_once('(')
            .map_or((self.kind.as_str(), "3"), |(kind, size)| {
                (kind, size.trim_end_matches(')'))
            });
        match kind {
            "text" | "character varying" | "citext" => mark,
            "uuid" => "gen_random_uuid()".into(),
            "boolean" => "false".into(),
            "smallint" | "integer" | "bigint" | "real" | "double precision" | "numeric" => "1".into(),
            "timestamp with time zone" => "now()".into(),
            "date" => "current_date".into(),
            "interval" => "interval '1 day'".into(),
            "inet" => "inet '127.0.0.1'".into(),
            "json" | "jsonb" => format!("jsonb_build_object('mark', {mark})"),
            "bytea" => format!("convert_to({mark}, 'UTF8')"),
            "text[]" => format!("ARRAY[{mark}]"),
            "xid8" => "'0'".into(),
            "tsvector" => format!("to_tsvector('simple', {mark})"),
            "vector" | "halfvec" => format!("(ARRAY(SELECT 1 FROM generate_series(1, {size})))::real[]::{kind}"),
            array if array.ends_with("[]") => "'{}'".into(),
            other => panic!("no value for the type {other} of {}", self.name),
        }
    }
}

/// Each table after those that its rows need; a circle has no such order.
fn in_order(mut left: Vec<Table>) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let ready = |table: &Table| {
            let needs = table
                .columns
                .iter()
                .filter(|c| c.required)
                .filter_map(|c| c.refers.as_ref());
            needs
                .clone()
                .all(|(name, _)| *name == table.name || ordered.iter().any(|done| done.name == *name))
        };
        let at = left.iter().position(ready).expect("tables that need no circle of rows");
        let next = left.remove(at);
        ordered.push(next);
    }
    ordered
}

fn table(name: String, columns: Vec<Column>) -> Table {
    let owned = match columns.iter().find(|column| column.name == "customer_id") {
        _ if name == "customer_configs" => Owned::Itself,
        Some(column) => Owned::ByCustomer {
            nullable: !column.required,
        },
        None => Owned::No,
    };
    Table { name, owned, columns }
}

fn column(row: &QueryResult) -> Column {
    let is = |name: &str| row.try_get("", name).expect("a truth");
    let perhaps = |name: &str| row.try_get::<Option<String>>("", name).expect("a text");
    Column {
        name: text(row, "name"),
        kind: text(row, "kind"),
        required: is("required"),
        filled: is("filled"),
        made: is("made"),
        checked: is("checked"),
        allowed: perhaps("allowed"),
        refers: perhaps("refers").zip(perhaps("refers_column")),
    }
}

fn text(row: &QueryResult, name: &str) -> String {
    row.try_get("", name).expect("a text")
}

fn literal(customer: Option<Uuid>) -> String {
    customer.map_or_else(|| "NULL::uuid".to_owned(), |id| format!("'{id}'::uuid"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn statement(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}
