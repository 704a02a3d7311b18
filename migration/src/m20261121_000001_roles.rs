//! Extensions, and the three roles: the owner of the schema, the role that row-level security binds, and the system's.
use crate::tables::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Another database of the cluster may create the same role at the same moment: losing that race is success.
const ROLES: &str = "
DO $$
DECLARE wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['omniops_owner', 'omniops_app', 'omniops_system'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN %s', wanted, CASE wanted WHEN 'omniops_system' THEN 'BYPASSRLS' ELSE '' END);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END;
    END IF;
  END LOOP;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT omniops_owner TO %I', current_user);
  END IF;
END $$;
GRANT USAGE, CREATE ON SCHEMA public TO omniops_owner;
GRANT USAGE ON SCHEMA public TO omniops_app, omniops_system;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "CREATE EXTENSION IF NOT EXISTS vector; CREATE EXTENSION IF NOT EXISTS pg_trgm;",
        )
        .await?;
        run(manager, ROLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "REVOKE ALL ON SCHEMA public FROM omniops_owner, omniops_app, omniops_system;
             DROP EXTENSION IF EXISTS pg_trgm; DROP EXTENSION IF EXISTS vector;",
        )
        .await
    }
}
