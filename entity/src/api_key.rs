//! `api_keys`: an integrator's key; only the SHA-256 of its secret is kept.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Uuid,
    pub name: String,
    pub prefix: String,
    pub secret_hash: Vec<u8>,
    pub scopes: Vec<String>,
    pub expires_at: Option<OffsetDateTime>,
    pub last_used_at: Option<OffsetDateTime>,
    pub used_from: Vec<String>,
    pub revoked_at: Option<OffsetDateTime>,
    pub rotated_from: Option<Uuid>,
    pub created_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
