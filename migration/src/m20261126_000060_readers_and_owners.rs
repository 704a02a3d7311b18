//! Which edition of the reader made a page's text, so that a new one reads it again whatever the site's server says; and which page keeps a
//! text that its site repeats.
//!
//! No foreign key: an owner that has gone is replaced when a crawl counts the next time.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = "ALTER TABLE scraped_pages ADD COLUMN reader smallint NOT NULL DEFAULT 0; ALTER TABLE site_blocks ADD COLUMN owner uuid";
        run(manager, add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = "ALTER TABLE site_blocks DROP COLUMN owner; ALTER TABLE scraped_pages DROP COLUMN reader";
        run(manager, drop).await
    }
}
