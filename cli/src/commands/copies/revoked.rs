//! What was taken back since a backup was made stays so: keys that were revoked, people whose accounts were closed or removed, and what
//! others may do, with the passwords and second factors of now. It is read from the database that the restored one takes the place of.
use anyhow::{Context as _, Result};
use domain::{config::DatabaseConfig, tenancy::Db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use std::fmt;

use super::contents::one;

/// The keys and accounts of a database, as JSON.
pub struct Known {
    keys: String,
    users: String,
}

/// What was carried over.
#[derive(Debug, Default)]
pub struct Carried {
    keys: u64,
    closed: u64,
    changed: u64,
}

const KEYS: &str = "SELECT coalesce(json_agg(json_build_object('id', id, 'revoked', revoked_at IS NOT NULL)), '[]')::text FROM api_keys";
const USERS: &str = "SELECT coalesce(json_agg(json_build_object('id', u.id, 'password_hash', u.password_hash, 'role', u.role,
    'everywhere', u.everywhere, 'disabled_at', u.disabled_at, 'totp_secret', u.totp_secret, 'totp_confirmed_at', u.totp_confirmed_at,
    'totp_last_step', u.totp_last_step,
    'customers', ARRAY(SELECT customer_id FROM admin_user_customers c WHERE c.user_id = u.id))), '[]')::text FROM admin_users u";

/// A key that is revoked now, or is there no more.
const REVOKE: &str = "UPDATE api_keys k SET revoked_at = now() WHERE k.revoked_at IS NULL AND NOT EXISTS (
    SELECT FROM json_to_recordset($1::json) AS n(id uuid, revoked boolean) WHERE n.id = k.id AND NOT n.revoked)";

/// An account that is there no more.
const CLOSE: &str = "UPDATE admin_users u SET disabled_at = now() WHERE u.disabled_at IS NULL AND NOT EXISTS (
    SELECT FROM json_to_recordset($1::json) AS n(id uuid) WHERE n.id = u.id)";

/// Accounts as they are now.
const CHANGE: &str = "UPDATE admin_users u SET password_hash = n.password_hash, role = n.role, everywhere = n.everywhere,
    disabled_at = n.disabled_at, totp_secret = n.totp_secret, totp_confirmed_at = n.totp_confirmed_at, totp_last_step = n.totp_last_step
    FROM json_to_recordset($1::json) AS n(id uuid, password_hash text, role text, everywhere boolean, disabled_at timestamptz,
      totp_secret bytea, totp_confirmed_at timestamptz, totp_last_step bigint)
    WHERE n.id = u.id AND (u.password_hash, u.role, u.everywhere, u.disabled_at, u.totp_secret, u.totp_confirmed_at)
      IS DISTINCT FROM (n.password_hash, n.role, n.everywhere, n.disabled_at, n.totp_secret, n.totp_confirmed_at)";

/// Customers that an account is for no more.
const TAKE: &str = "DELETE FROM admin_user_customers c USING json_to_recordset($1::json) AS n(id uuid, customers json)
    WHERE n.id = c.user_id AND NOT EXISTS (
      SELECT FROM json_array_elements_text(n.customers) AS o(customer) WHERE o.customer::uuid = c.customer_id)";

impl Known {
    /// Of the configured database; none where it has no accounts yet.
    pub async fn of(config: &DatabaseConfig) -> Result<Option<Self>> {
        let db = Db::connect_owner(config)
            .await
            .context("connecting as the owner (DATABASE_OWNER_URL)")?;
        let there =
            "SELECT to_regclass('public.api_keys') IS NOT NULL AND to_regclass('public.admin_users') IS NOT NULL";
        let known = if one::<bool>(&db, there).await? {
            let (keys, users) = (one(&db, KEYS).await?, one(&db, USERS).await?);
            Some(Self { keys, users })
        } else {
            None
        };
        db.close().await?;
        Ok(known)
    }

    /// Takes back in a restored database what has been taken back here.
    pub async fn carry(&self, to: &DatabaseConnection) -> Result<Carried> {
        let run = async |text: &str, with: &str| -> Result<u64> {
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, text, [with.into()]);
            Ok(to.execute_raw(statement).await?.rows_affected())
        };
        let keys = run(REVOKE, &self.keys).await?;
        let closed = run(CLOSE, &self.users).await?;
        let changed = run(CHANGE, &self.users).await? + run(TAKE, &self.users).await?;
        Ok(Carried { keys, closed, changed })
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, closed, changed } = self;
        write!(
            f,
            "{keys} keys stay revoked, {closed} removed accounts are closed, {changed} others are as they were"
        )
    }
}
