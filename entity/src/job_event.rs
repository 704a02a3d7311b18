//! `job_events`: something that happened to a job, written in the transaction it tells of.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_events")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub customer_id: Option<Uuid>,
    pub job_id: Uuid,
    pub kind: String,
    pub data: Json,
    pub at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
