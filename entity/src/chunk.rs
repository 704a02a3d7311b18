//! `page_embeddings`: a heading-aware piece of a page.
//!
//! The columns `embedding` and `words` are not part of the model: vectors are long, and both are only written and compared in SQL
//! (`domain::pages::index`, `domain::retrieval::query`).
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "page_embeddings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Uuid,
    pub page_id: Uuid,
    pub ordinal: i32,
    pub heading_path: String,
    pub text: String,
    pub text_hash: Vec<u8>,
    pub tokens: i32,
    pub model_id: Option<Uuid>,
    pub published: bool,
    pub config: String,
    pub kind: String,
    pub section: Option<i32>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
