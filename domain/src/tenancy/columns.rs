//! Columns by their names.
use sea_orm::{EntityTrait, IdenStatic as _, Iterable as _};

/// An entity's columns, for statements whose rows become its models. `*` would change its meaning when a later version adds a column:
/// Postgres then refuses what connections have prepared.
pub(crate) fn columns<E: EntityTrait>(table: &str) -> String {
    let names = E::Column::iter().map(|column| format!("{table}.{}", column.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

/// The same for a row that holds several models, each known by what its columns begin with.
pub(crate) fn columns_as<E: EntityTrait>(table: &str, prefix: &str) -> String {
    let names = E::Column::iter().map(|column| format!("{table}.{name} AS {prefix}{name}", name = column.as_str()));
    names.collect::<Vec<_>>().join(", ")
}
