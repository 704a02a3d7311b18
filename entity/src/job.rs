//! `jobs`: a job of the ledger; states are the words of the operations guide.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Option<Uuid>,
    pub parent_id: Option<Uuid>,
    pub kind: String,
    pub payload: Json,
    pub payload_version: i32,
    pub state: String,
    pub priority: i16,
    pub run_at: OffsetDateTime,
    pub starts: i32,
    pub attempts: i32,
    pub max_attempts: i32,
    pub lease_token: Option<Uuid>,
    pub worker_id: Option<Uuid>,
    pub cancel_requested: bool,
    pub progress: Json,
    pub result: Option<Json>,
    pub error: Option<Json>,
    pub dedupe_key: Option<String>,
    pub created_at: OffsetDateTime,
    pub started_at: Option<OffsetDateTime>,
    pub finished_at: Option<OffsetDateTime>,
    pub confirmed_at: Option<OffsetDateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
