//! Extensions, the hash that URLs are indexed by, and the three roles: the owner of the schema, the role that row-level security binds, and the system's.
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

/// URLs are too long for an index, so their hash is indexed. `convert_to` is only stable because its encoding is a
/// parameter; with a constant one it is immutable, which is what a generated column needs.
const HASH_URL: &str = "
CREATE FUNCTION hash_url(url text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT sha256(convert_to(url, 'UTF8')) $$;
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "CREATE EXTENSION IF NOT EXISTS vector; CREATE EXTENSION IF NOT EXISTS pg_trgm;",
        )
        .await?;
        run(manager, HASH_URL).await?;
        run(manager, ROLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP FUNCTION IF EXISTS hash_url(text);
             REVOKE ALL ON SCHEMA public FROM omniops_owner, omniops_app, omniops_system;
             DROP EXTENSION IF EXISTS pg_trgm; DROP EXTENSION IF EXISTS vector;",
        )
        .await
    }
}
