//! `answer_receipts`: what an answer was made from.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "answer_receipts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: Uuid,
    pub customer_id: Uuid,
    pub model: String,
    pub prompt_version: String,
    pub passages: Json,
    pub refusal_reason: Option<String>,
    pub timings: Json,
    pub cost_usd: f64,
    pub notes: Vec<String>,
    pub origin: Option<Uuid>,
    pub cached: bool,
    pub standalone_question: Option<String>,
    pub removed: Json,
    pub created_at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
