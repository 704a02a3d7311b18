//! Columns by their names.
use sea_orm::{EntityTrait, IdenStatic as _, Iterable as _};

/// An entity's columns, for statements whose rows become its models. `*` would change its meaning when a later version adds a column:
/// Postgres then refuses what connections have prepared.
pub(crate) fn columns<E: EntityTrait>(table: &str) -> String {
    let names = E::Column::iter().map(|column| format!("{table}.{}", column.as_str()));
    names.collect::<Vec<_>>().join(", ")
}
