//! People of two customers may have the same e-mail address, each with an account of its own: that an address is taken would tell one
//! tenant of another's staff. Who may see an account is who is told of it; see `domain::tenancy::Accounts`.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "ALTER TABLE admin_users DROP CONSTRAINT admin_users_email_key;
             CREATE INDEX idx_admin_users_email ON admin_users (email)",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP INDEX idx_admin_users_email;
             ALTER TABLE admin_users ADD CONSTRAINT admin_users_email_key UNIQUE (email)",
        )
        .await
    }
}
