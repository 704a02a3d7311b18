//! `job_urls`: what a crawl decided about one URL, and why.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_urls")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub job_id: Uuid,
    pub customer_id: Uuid,
    pub seq: i64,
    pub url: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub url_hash: Vec<u8>,
    pub decision: String,
    pub reason: Option<String>,
    pub retires: Option<String>,
    pub status: Option<i32>,
    pub ms: Option<i32>,
    pub bytes: Option<i64>,
    pub depth: i32,
    pub via: String,
    pub wait_ms: Option<i32>,
    pub found_from: Option<String>,
    pub at: OffsetDateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
