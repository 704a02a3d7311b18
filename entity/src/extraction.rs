//! `structured_extractions`: structured data found in a page.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "structured_extractions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Uuid,
    pub page_id: Uuid,
    pub kind: String,
    pub source: String,
    pub data: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
