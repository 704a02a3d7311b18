//! What a crawl tells besides its pages: what became of the site's sitemaps, where its start page led, and when and by whom a page says
//! that it was written.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
ALTER TABLE scrape_jobs ADD COLUMN sitemaps jsonb, ADD COLUMN moved_to text;
ALTER TABLE scraped_pages ADD COLUMN published_at timestamptz, ADD COLUMN modified_at timestamptz, ADD COLUMN author text;
";
const DOWN: &str = "
ALTER TABLE scraped_pages DROP COLUMN published_at, DROP COLUMN modified_at, DROP COLUMN author;
ALTER TABLE scrape_jobs DROP COLUMN sitemaps, DROP COLUMN moved_to;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
