//! `scraped_pages`: a crawled page. `version` counts changes of its content; `indexed_version` is the one its chunks show.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use crate::packed::PackedText;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "scraped_pages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub customer_id: Uuid,
    pub url: String,
    pub canonical: Option<String>,
    pub title: String,
    pub language: Option<String>,
    pub markdown: PackedText,
    pub content_hash: Vec<u8>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub status: i32,
    pub gone_count: i32,
    pub tombstoned_at: Option<OffsetDateTime>,
    pub fetched_at: OffsetDateTime,
    pub version: i64,
    pub indexed_version: i64,
    pub navigational: bool,
    pub duplicate_of: Option<Uuid>,
    pub tombstone: Option<String>,
    pub purged_at: Option<OffsetDateTime>,
    pub sitemap_lastmod: Option<OffsetDateTime>,
    pub structured_hash: Option<Vec<u8>>,
    pub published_at: Option<OffsetDateTime>,
    pub modified_at: Option<OffsetDateTime>,
    pub author: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row with this id, if it is the customer's.
pub fn of_customer(customer: Uuid, id: Uuid) -> Select<Entity> {
    Entity::find_by_id(id).filter(Column::CustomerId.eq(customer))
}
