//! On which scale the cosines of a provider's model are: measured by pairs of texts when the model is first used.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = "ALTER TABLE embedding_models ADD COLUMN cosine_zero float8, ADD COLUMN cosine_one float8,
            ADD CONSTRAINT one_scale CHECK ((cosine_zero IS NULL) = (cosine_one IS NULL) AND coalesce(cosine_zero < cosine_one, true))";
        run(manager, add).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "ALTER TABLE embedding_models DROP COLUMN cosine_zero, DROP COLUMN cosine_one",
        )
        .await
    }
}
