//! Reading the log.
use entity::audit_log::{Column, Entity, Model};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Result, tenancy::Db};

/// Which lines.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of these customers only; the installation's own lines are none of theirs.
    pub customers: Option<Vec<Uuid>>,
    /// By this actor.
    pub actor: Option<String>,
    /// With this action; `key.*` for all of a noun.
    pub action: Option<String>,
    /// On this.
    pub resource: Option<String>,
    /// From then on.
    pub since: Option<OffsetDateTime>,
    /// Before then.
    pub until: Option<OffsetDateTime>,
    /// Before this line.
    pub before: Option<i64>,
}

/// Lines, newest first.
pub async fn list(db: &Db, filter: &Filter, limit: u64) -> Result<Vec<Model>> {
    let mut query = Entity::find().order_by_desc(Column::Id).limit(limit);
    if let Some(customers) = &filter.customers {
        query = query.filter(Column::CustomerId.is_in(customers.iter().copied()));
    }
    if let Some(actor) = &filter.actor {
        query = query.filter(Column::Actor.eq(actor));
    }
    if let Some(action) = &filter.action {
        query = query.filter(match action.strip_suffix('*') {
            Some(noun) => Column::Action.starts_with(noun),
            None => Column::Action.eq(action),
        });
    }
    if let Some(resource) = &filter.resource {
        query = query.filter(Column::Resource.eq(resource));
    }
    if let Some(since) = filter.since {
        query = query.filter(Column::At.gte(since));
    }
    if let Some(until) = filter.until {
        query = query.filter(Column::At.lt(until));
    }
    if let Some(before) = filter.before {
        query = query.filter(Column::Id.lt(before));
    }
    let tx = db.system().await?;
    Ok(query.all(&*tx).await?)
}
