//! Texts of pages come compressed, as bytes (`entity::packed`). Those that are there stay as they are: they are UTF-8 in bytes from now on,
//! and Postgres compresses none any more.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = "
ALTER TABLE scraped_pages ALTER COLUMN markdown TYPE bytea USING convert_to(markdown, 'UTF8');
ALTER TABLE scraped_pages ALTER COLUMN markdown SET STORAGE EXTERNAL;
";

/// Postgres can't read what is compressed: such a page is asked for and read again by the next crawl, and answers by its chunks meanwhile.
const DOWN: &str = r"
ALTER TABLE scraped_pages ALTER COLUMN markdown SET STORAGE EXTENDED;
ALTER TABLE scraped_pages NO FORCE ROW LEVEL SECURITY;
UPDATE scraped_pages SET markdown = '', content_hash = '', etag = NULL, last_modified = NULL WHERE substr(markdown, 1, 4) = '\x28b52ffd';
ALTER TABLE scraped_pages FORCE ROW LEVEL SECURITY;
ALTER TABLE scraped_pages ALTER COLUMN markdown TYPE text USING convert_from(markdown, 'UTF8');
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
