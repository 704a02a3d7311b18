//! The data map: what every column of every table holds, how a person's rows are found, what of them is handed out, how they are
//! erased and how long they stay. Export, erasure, the replay after a restore and docs/PRIVACY.md go by it and by nothing else.
//!
//! What must stay true: it names every table, and of each every column that can hold more than a number, a moment or an id. A test
//! compares it with the database's own catalogue, so that a new column has to be thought about.
mod content;
mod customers;
mod people;
mod work;

use sea_orm::{Statement, Value};
use std::fmt::Write;
use uuid::Uuid;

use crate::tenancy::sql;

/// Every table of the schema; rows of people are erased in this order.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    [people::TABLES, customers::TABLES, content::TABLES, work::TABLES]
        .into_iter()
        .flatten()
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// What a visitor wrote, in the visitor's own words: anything may stand in it.
    Words,
    /// What is known of a visitor otherwise.
    Visitor,
    /// Names and addresses of people who work for the customer or the operator.
    Staff,
    /// What stands on the customer's site.
    Site,
    /// What the customer or the operator has set.
    Setting,
    /// Secrets: hashed, encrypted or signed.
    Secret,
    /// Words of the program, hashes, indexes.
    Technical,
}

/// How a person's rows of a table are found, and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub struct Of {
    /// Which rows `t` are those of the subject `s`, whose columns are arrays: `visitors`, `sessions`, `conversations`, `messages`;
    /// and `subject`, the keyed hash.
    pub rows: &'static str,
    /// The columns that are handed out; none: the rows say nothing that others don't.
    pub export: &'static [&'static str],
    /// What becomes of the rows.
    pub erase: Erase,
}

/// What becomes of a person's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erase {
    /// They go.
    Delete,
    /// They stay, for this reason.
    Keep(&'static str),
}

/// How long rows stay by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// So many days after this.
    Days(u32, &'static str),
    /// As long as the rows of this table that they belong to.
    With(&'static str),
    /// As long as the customer.
    Customer,
    /// As long as the installation.
    Installation,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub holds: &'static str,
    /// How a person's rows are found; none: it holds nothing of visitors.
    pub of: Option<Of>,
    /// How long rows stay.
    pub kept: Kept,
    /// What each column holds that can hold more than a number, a moment or an id.
    pub columns: &'static [(&'static str, Data)],
}

/// Rows that hold nothing of visitors.
const fn other(name: &'static str, holds: &'static str, kept: Kept, columns: &'static [(&'static str, Data)]) -> Table {
    Table {
        name,
        holds,
        of: None,
        kept,
        columns,
    }
}

/// Rows that go when a person is forgotten.
const fn erased(
    name: &'static str,
    holds: &'static str,
    rows: &'static str,
    export: &'static [&'static str],
    kept: Kept,
    columns: &'static [(&'static str, Data)],
) -> Table {
    let of = Of {
        rows,
        export,
        erase: Erase::Delete,
    };
    Table {
        name,
        holds,
        of: Some(of),
        kept,
        columns,
    }
}

impl Of {
    /// A row `t` as it is handed out.
    fn object(&self) -> String {
        let columns: Vec<String> = self.export.iter().map(|name| format!("'{name}', t.{name}")).collect();
        format!("json_build_object({})", columns.join(", "))
    }
}

impl Table {
    /// The columns that hold visitors' own words, and the column that names a row.
    pub fn words(&self) -> Option<(&'static str, Vec<&'static str>)> {
        let words: Vec<_> = self
            .columns
            .iter()
            .filter(|(_, data)| *data == Data::Words)
            .map(|(name, _)| *name)
            .collect();
        let key = if matches!(self.name, "answer_receipts" | "question_gap_members") {
            "message_id"
        } else {
            "id"
        };
        (!words.is_empty()).then_some((key, words))
    }
}

/// A person's rows by their ids, as predicates of [`Of`] need them.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Rows of `visitors`.
    pub visitors: Vec<Uuid>,
    /// Their sessions, known or not.
    pub sessions: Vec<Uuid>,
    /// Rows of `conversations`.
    pub conversations: Vec<Uuid>,
    /// Rows of `messages`.
    pub messages: Vec<Uuid>,
    /// The subject's keyed hash.
    pub subject: Vec<u8>,
}

/// The subject `s` of the customer `$1`.
const SUBJECT: &str = "WITH s AS (SELECT $1::uuid AS customer, $2::uuid[] AS visitors, $3::uuid[] AS sessions,
    $4::uuid[] AS conversations, $5::uuid[] AS messages, $6::bytea AS subject)";

impl Rows {
    fn values(&self, customer: Uuid) -> [Value; 6] {
        [
            customer.into(),
            self.visitors.clone().into(),
            self.sessions.clone().into(),
            self.conversations.clone().into(),
            self.messages.clone().into(),
            self.subject.clone().into(),
        ]
    }

    /// Counts the person's rows of a table, as `n`.
    pub(super) fn count(&self, customer: Uuid, table: &Table, of: &Of) -> Statement {
        let text = format!(
            "{SUBJECT} SELECT count(*) AS n FROM {} t, s WHERE t.customer_id = s.customer AND ({})",
            table.name, of.rows
        );
        sql(&text, self.values(customer))
    }

    /// Sums up how long the person's rows of a table are when they are handed out, as `n` bytes.
    pub(super) fn weigh(&self, customer: Uuid, table: &Table, of: &Of) -> Statement {
        let text = format!(
            "{SUBJECT} SELECT coalesce(sum(octet_length({}::text)), 0)::bigint AS n FROM {} t, s WHERE t.customer_id = s.customer AND ({})",
            of.object(),
            table.name,
            of.rows
        );
        sql(&text, self.values(customer))
    }

    /// Reads the person's rows of a table, each as the object `row` of the columns that are handed out, as text, oldest first.
    pub(super) fn read(&self, customer: Uuid, table: &Table, of: &Of) -> Statement {
        let text = format!(
            "{SUBJECT} SELECT {}::text AS row FROM {} t, s WHERE t.customer_id = s.customer AND ({}) ORDER BY t.{}",
            of.object(),
            table.name,
            of.rows,
            of.export.first().copied().unwrap_or("customer_id")
        );
        sql(&text, self.values(customer))
    }

    /// Deletes the person's rows of a table.
    pub(super) fn delete(&self, customer: Uuid, table: &Table, of: &Of) -> Statement {
        let text = format!(
            "{SUBJECT} DELETE FROM {} t USING s WHERE t.customer_id = s.customer AND ({})",
            table.name, of.rows
        );
        sql(&text, self.values(customer))
    }
}

/// The map as docs/PRIVACY.md shows it.
pub fn markdown() -> String {
    let mut text = String::from("| table | a row is | columns | a person's rows | stays |\n|---|---|---|---|---|\n");
    for table in tables() {
        let columns: Vec<String> = [
            (Data::Words, "visitors' words"),
            (Data::Visitor, "of visitors"),
            (Data::Staff, "of staff"),
            (Data::Secret, "secrets"),
        ]
        .into_iter()
        .filter_map(|(data, what)| {
            let named: Vec<_> = table
                .columns
                .iter()
                .filter(|(_, d)| *d == data)
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            (!named.is_empty()).then(|| format!("{what}: {}", named.join(", ")))
        })
        .collect();
        let columns = if columns.is_empty() {
            "nothing personal".to_owned()
        } else {
            columns.join("; ")
        };
        let of = match &table.of {
            None => "none".to_owned(),
            Some(Of { export, erase, .. }) => {
                let told = if export.is_empty() {
                    "not handed out"
                } else {
                    "handed out"
                };
                match erase {
                    Erase::Delete => format!("{told}, erased"),
                    Erase::Keep(why) => format!("{told}, kept: {why}"),
                }
            }
        };
        let kept = match table.kept {
            Kept::Days(1, from) => format!("1 day {from}"),
            Kept::Days(days, from) => format!("{days} days {from}"),
            Kept::With(other) => format!("with `{other}`"),
            Kept::Customer => "with the customer".to_owned(),
            Kept::Installation => "with the installation".to_owned(),
        };
        // A String takes everything that is written to it.
        let _ = writeln!(
            text,
            "| `{}` | {} | {columns} | {of} | {kept} |",
            table.name, table.holds
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_something_of_visitors_is_found_handed_out_and_erased() {
        for table in tables() {
            let personal: Vec<_> = table
                .columns
                .iter()
                .filter(|(_, d)| matches!(d, Data::Words | Data::Visitor))
                .collect();
            let Some(of) = &table.of else {
                assert!(personal.is_empty(), "{}: {personal:?} of nobody", table.name);
                continue;
            };
            // A copy is not copied.
            let shown = |name: &str| of.export.contains(&name) || (table.name, name) == ("subject_exports", "document");
            let hidden: Vec<_> = personal.iter().filter(|(name, _)| !shown(name)).collect();
            assert!(hidden.is_empty(), "{}: {hidden:?} are not handed out", table.name);
            assert!(
                of.erase == Erase::Delete || personal.is_empty(),
                "{}: {personal:?} stay",
                table.name
            );
        }
    }

    #[test]
    fn the_document_for_people_has_the_map() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PRIVACY.md");
        let kept = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- data map: begin -->\n", "<!-- data map: end -->");
        let (head, rest) = kept.split_once(begin).unwrap();
        let (_, tail) = rest.split_once(end).unwrap();
        let fresh = format!("{head}{begin}{}{end}{tail}", markdown());
        if fresh != kept {
            std::fs::write(path, fresh).unwrap();
            panic!("docs/PRIVACY.md had another data map than the code; it is written anew: commit it");
        }
    }
}
