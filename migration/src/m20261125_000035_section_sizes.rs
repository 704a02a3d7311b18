//! How many chunks a section has, beside each of them, so that a search need not count.
//!
//! A page's chunks are written together, so their number is known then. Chunks from before this step have none, and are counted by the
//! search as long as their page stays as it is: nothing has to be rewritten, vectors and their index least of all.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "ALTER TABLE page_embeddings ADD COLUMN section integer").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "ALTER TABLE page_embeddings DROP COLUMN section").await
    }
}
