//! `outbound_webhooks`: where events are sent.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "outbound_webhooks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Uuid,
    pub url: String,
    pub events: Vec<String>,
    pub secret: Vec<u8>,
    pub created_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
