//! `messages`: one turn of a conversation.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Uuid,
    pub conversation_id: Uuid,
    pub role: String,
    pub text: String,
    pub sources: Json,
    pub refused: bool,
    pub feedback: Option<String>,
    pub feedback_reason: Option<String>,
    pub feedback_at: Option<OffsetDateTime>,
    pub author: Option<String>,
    pub usage: Option<Json>,
    pub created_at: OffsetDateTime,
    pub broke_off: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
