//! What is under which key, counted: `omniops keys status`, and what `doctor` warns of.
use sea_orm::{ConnectionTrait, FromQueryResult};
use time::OffsetDateTime;

use super::{
    Envelopes,
    sealed::{self, SealedColumn},
};
use crate::{
    Result,
    tenancy::{Db, sql},
};

/// How the keys stand.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// Every master key that is configured or needed, the present one first.
    pub masters: Vec<MasterStatus>,
    /// Every column with sealed values.
    pub columns: Vec<ColumnStatus>,
    /// When a rotation of data keys began that has not ended.
    pub unfinished_since: Option<OffsetDateTime>,
}

/// A master key, and what it wraps.
#[derive(Clone, Debug)]
pub struct MasterStatus {
    /// Its id.
    pub id: String,
    /// Whether this process has it.
    pub known: bool,
    /// Whether it makes what is new.
    pub present: bool,
    /// Data keys that it wraps.
    pub data_keys: i64,
    /// When it wrapped the one of these that was wrapped first.
    pub since: Option<OffsetDateTime>,
}

/// A column, and how its values are sealed.
#[derive(Clone, Debug)]
pub struct ColumnStatus {
    /// `table.column`.
    pub name: String,
    /// Values under a present data key.
    pub present: i64,
    /// Values under a retired one.
    pub retired: i64,
    /// Values from before there were data keys, or under one that is not there.
    pub other: i64,
}

impl KeyStatus {
    /// Whether something still needs an older master key, or one that is missing.
    pub fn needs_others(&self) -> bool {
        self.masters
            .iter()
            .any(|master| !master.present && master.data_keys > 0)
            || self.columns.iter().any(|column| column.other > 0)
    }
}

#[derive(FromQueryResult)]
struct Wrapping {
    master: String,
    data_keys: i64,
    since: OffsetDateTime,
}

/// Counts what is under which key.
pub async fn status(db: &Db, envelopes: &Envelopes) -> Result<KeyStatus> {
    const WRAPPINGS: &str =
        "SELECT master, count(*) AS data_keys, min(wrapped_at) AS since FROM data_keys GROUP BY master ORDER BY master";
    const OPEN: &str = "SELECT min(started_at) AS at FROM key_rotations WHERE finished_at IS NULL";
    let tx = db.system().await?;
    let rows = tx.query_all_raw(sql(WRAPPINGS, [])).await?;
    let mut wrappings: Vec<Wrapping> = rows
        .iter()
        .map(|row| Wrapping::from_query_result(row, ""))
        .collect::<Result<_, _>>()?;
    let known = envelopes.masters();
    let mut masters = Vec::new();
    for master in known.all() {
        let at = wrappings.iter().position(|wrapping| wrapping.master == master.id());
        let wrapping = at.map(|at| wrappings.remove(at));
        masters.push(MasterStatus {
            id: master.id().to_owned(),
            known: true,
            present: master.id() == known.present().id(),
            data_keys: wrapping.as_ref().map_or(0, |wrapping| wrapping.data_keys),
            since: wrapping.map(|wrapping| wrapping.since),
        });
    }
    masters.extend(wrappings.into_iter().map(|wrapping| MasterStatus {
        id: wrapping.master,
        known: false,
        present: false,
        data_keys: wrapping.data_keys,
        since: Some(wrapping.since),
    }));
    let mut columns = Vec::new();
    for column in sealed::ALL {
        columns.push(count(&*tx, column).await?);
    }
    let open = tx.query_one_raw(sql(OPEN, [])).await?;
    let unfinished_since = open.map(|row| row.try_get("", "at")).transpose()?.flatten();
    Ok(KeyStatus {
        masters,
        columns,
        unfinished_since,
    })
}

async fn count(tx: &impl ConnectionTrait, column: &SealedColumn) -> Result<ColumnStatus> {
    let SealedColumn {
        table, column: name, ..
    } = column;
    let owner = column.owner();
    let count = format!(
        "SELECT count(*) FILTER (WHERE k.id IS NOT NULL AND k.retired_at IS NULL) AS present,
           count(*) FILTER (WHERE k.retired_at IS NOT NULL) AS retired, count(*) FILTER (WHERE k.id IS NULL) AS other
         FROM {table} t LEFT JOIN data_keys k
           ON substring(t.{name} FROM 1 FOR 17) = '\\x01'::bytea || uuid_send(k.id) AND k.customer_id IS NOT DISTINCT FROM {owner}
         WHERE t.{name} IS NOT NULL"
    );
    let row = tx.query_one_raw(sql(&count, [])).await?;
    let number = |name: &str| Ok::<i64, crate::Error>(row.as_ref().map_or(Ok(0), |row| row.try_get("", name))?);
    Ok(ColumnStatus {
        name: format!("{table}.{name}"),
        present: number("present")?,
        retired: number("retired")?,
        other: number("other")?,
    })
}
