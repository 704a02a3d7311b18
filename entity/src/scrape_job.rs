//! `scrape_jobs`: the settings of a scrape job.
#![expect(
    missing_docs,
    reason = "the columns are documented in the migration and in the data model"
)]
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "scrape_jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub job_id: Uuid,
    pub customer_id: Uuid,
    pub start_url: String,
    pub mode: String,
    pub max_pages: i32,
    pub max_depth: i32,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub refetch: bool,
    pub max_bytes: Option<i64>,
    pub max_minutes: Option<i32>,
    pub spent_ms: i64,
    pub off_peak: Option<String>,
    pub staged: Option<bool>,
    pub sitemaps: Option<Json>,
    pub moved_to: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
