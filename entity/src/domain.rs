//! `customer_domains`: a host that a customer claims, and that belongs to the customer while `verified_at` is set.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_domains")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Uuid,
    pub host: String,
    pub method: Option<String>,
    pub token: String,
    pub verified_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub check_at: Option<OffsetDateTime>,
    pub checked_at: Option<OffsetDateTime>,
    pub failures: i32,
    pub failing_since: Option<OffsetDateTime>,
    pub unverified_at: Option<OffsetDateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
