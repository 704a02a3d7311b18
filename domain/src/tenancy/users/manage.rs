//! Accounts as their owners see them: made, listed, changed and removed, each within the reach of whoever asks. An account outside of
//! it does not exist for them: who adds a person whose address has an account with another customer gets one of their own, in the
//! same time, and learns nothing. The accounts of an address have one salt, so that a login tries all of them at the price of one.
use sea_orm::{ConnectionTrait, QueryResult, SqlErr};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Accounts, Reach, Role, email, password, session::reach};
use crate::{
    Error, Result,
    audit::{self, Entry},
    ids,
    jobs::Operator,
    tenancy::{SystemTx, sql},
};

/// What a new account needs.
pub struct NewUser {
    /// The e-mail address, which logs in.
    pub email: String,
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// The first password.
    pub password: SecretString,
    /// What the person may do.
    pub role: Role,
    /// For whom; the whole installation is for owners only.
    pub reach: Reach,
}

/// What changes of an account; what is left out stays.
#[derive(Default)]
pub struct UserChange {
    /// Another name.
    pub name: Option<String>,
    /// Another password.
    pub password: Option<SecretString>,
    /// Another role.
    pub role: Option<Role>,
    /// Other customers, or the installation.
    pub reach: Option<Reach>,
    /// Whether the account is closed.
    pub disabled: Option<bool>,
    /// Takes the second factor off.
    pub without_second_factor: bool,
}

impl UserChange {
    /// Whether nothing changes that the account may do.
    pub fn is_of_name_only(&self) -> bool {
        self.password.is_none()
            && self.role.is_none()
            && self.reach.is_none()
            && self.disabled.is_none()
            && !self.without_second_factor
    }
}

/// What is kept of an account, as far as people may see it.
#[derive(Clone, Debug)]
pub struct UserRecord {
    /// Its id.
    pub id: Uuid,
    /// The e-mail address.
    pub email: String,
    /// The name.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// For whom.
    pub reach: Reach,
    /// Whether a second factor is asked for.
    pub second_factor: bool,
    /// Since when the account is closed.
    pub disabled_at: Option<OffsetDateTime>,
    /// When somebody last logged in.
    pub last_login_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

const RECORD: &str = "
SELECT u.id, u.email, u.name, u.role, u.everywhere, u.totp_confirmed_at IS NOT NULL AS second_factor, u.disabled_at, u.last_login_at,
  u.created_at, ARRAY(SELECT customer_id FROM admin_user_customers c WHERE c.user_id = u.id ORDER BY 1) AS customers
FROM admin_users u";

impl Accounts {
    /// Makes an account.
    pub async fn create_user(&self, new: NewUser, within: &Reach, by: Operator<'_>) -> Result<UserRecord> {
        let email = email(&new.email)?;
        let name = checked_name(&new.name)?;
        checked_reach(new.role, &new.reach, within)?;
        let hash = password::check_new(&new.password, &email, "password")?;
        let like = self.hash_of(&email).await?;
        let hash = self.passwords.hash(hash, like).await?;
        let tx = self.db.system().await?;
        lock_address(&tx, &email).await?;
        let query = format!("{RECORD} WHERE u.email = $1");
        let others = tx.query_all_raw(sql(&query, [email.as_str().into()])).await?;
        let others = others.iter().map(user).collect::<Result<Vec<_>>>()?;
        if others.into_iter().any(|other| seen(other, within).is_ok()) {
            return Err(Error::conflict(
                "email_taken",
                "there is an account with this e-mail address",
            ));
        }
        let id = ids::new_id();
        let insert = "INSERT INTO admin_users (id, email, name, password_hash, role, everywhere) VALUES ($1, $2, $3, $4, $5, $6)";
        let values = [
            id.into(),
            email.into(),
            name.into(),
            hash.into(),
            new.role.as_str().into(),
            (new.reach == Reach::Everywhere).into(),
        ];
        tx.execute_raw(sql(insert, values)).await?;
        set_customers(&tx, id, &new.reach).await?;
        let made = read(&tx, id).await?;
        record(&tx, "user.created", (None, Some(&made)), &json!({}), by).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Accounts of customers within reach, in the order of their making, each with these customers alone: whoever may read what a
    /// customer has is no secret to that customer.
    pub async fn list_users(&self, within: &Reach, after: Option<Uuid>, limit: u64) -> Result<Vec<UserRecord>> {
        let query = format!(
            "{RECORD} WHERE ($1 OR (NOT u.everywhere
               AND EXISTS (SELECT FROM admin_user_customers c WHERE c.user_id = u.id AND c.customer_id = ANY($2))))
             AND u.id > $3 ORDER BY u.id LIMIT $4"
        );
        let own = customers(within).unwrap_or_default();
        let values = [
            (*within == Reach::Everywhere).into(),
            own.into(),
            after.unwrap_or(Uuid::nil()).into(),
            (limit as i64).into(),
        ];
        let tx = self.db.system().await?;
        let rows = tx.query_all_raw(sql(&query, values)).await?;
        rows.iter().map(|row| seen(user(row)?, within)).collect()
    }

    /// An account of customers within reach, with these alone.
    pub async fn get_user(&self, id: Uuid, within: &Reach) -> Result<UserRecord> {
        let tx = self.db.system().await?;
        seen(read(&tx, id).await?, within)
    }

    /// The account with this id, or with this e-mail address if it is the only one; for commands, which rule over all.
    pub async fn find_user(&self, which: &str) -> Result<UserRecord> {
        if let Ok(id) = which.parse() {
            return self.get_user(id, &Reach::Everywhere).await;
        }
        let tx = self.db.system().await?;
        let query = format!("{RECORD} WHERE u.email = $1 ORDER BY u.id");
        let rows = tx.query_all_raw(sql(&query, [email(which)?.into()])).await?;
        match rows.as_slice() {
            [] => Err(Error::not_found("user")),
            [row] => user(row),
            several => {
                let ids = several.iter().map(|row| Ok(user(row)?.id.to_string()));
                let told = format!(
                    "several accounts have this address; name one by its id: {}",
                    ids.collect::<Result<Vec<_>>>()?.join(", ")
                );
                Err(Error::conflict("several_accounts", told))
            }
        }
    }

    /// A password's hash of an account with this address, whose salt the others take.
    async fn hash_of(&self, address: &str) -> Result<Option<String>> {
        let tx = self.db.system().await?;
        let first = "SELECT password_hash FROM admin_users WHERE email = $1 ORDER BY id LIMIT 1";
        let row = tx.query_one_raw(sql(first, [address.into()])).await?;
        Ok(row.map(|row| row.try_get("", "password_hash")).transpose()?)
    }

    /// Changes an account. Whatever changes what it may do ends its sessions.
    pub async fn change_user(
        &self,
        id: Uuid,
        change: UserChange,
        within: &Reach,
        by: Operator<'_>,
    ) -> Result<UserRecord> {
        let name = change.name.as_deref().map(checked_name).transpose()?;
        let before = self.find_ruled(id, within).await?;
        let hash = match &change.password {
            Some(new) => {
                let new = password::check_new(new, &before.email, "password")?;
                let like = self.hash_of(&before.email).await?;
                Some(self.passwords.hash(new, like).await?)
            }
            None => None,
        };
        let tx = self.db.system().await?;
        tx.query_one_raw(sql("SELECT id FROM admin_users WHERE id = $1 FOR UPDATE", [id.into()]))
            .await?;
        // Looked at again under the lock: what was within reach may have left it.
        let before = ruled(read(&tx, id).await?, within)?;
        let role = change.role.unwrap_or(before.role);
        let reach = change.reach.as_ref().unwrap_or(&before.reach);
        if change.role.is_some() || change.reach.is_some() {
            checked_reach(role, reach, within)?;
        }
        let update = "UPDATE admin_users SET name = coalesce($2, name), password_hash = coalesce($3, password_hash), role = $4, everywhere = $5,
            disabled_at = CASE WHEN $6 THEN coalesce(disabled_at, $7) ELSE NULL END WHERE id = $1";
        let disabled = change.disabled.unwrap_or(before.disabled_at.is_some());
        let values = [
            id.into(),
            name.into(),
            hash.into(),
            role.as_str().into(),
            (*reach == Reach::Everywhere).into(),
            disabled.into(),
            self.clock.now().into(),
        ];
        tx.execute_raw(sql(update, values)).await?;
        if change.reach.is_some() {
            set_customers(&tx, id, reach).await?;
        }
        let told = told(&change);
        if change.without_second_factor {
            Self::clear_second_factor(&tx, id).await?;
        }
        if change.password.is_some() {
            self.attempts.forget(&*tx, &id.to_string()).await?;
        }
        if !change.is_of_name_only() {
            Self::end_sessions(&tx, id).await?;
        }
        let after = read(&tx, id).await?;
        record(&tx, "user.changed", (Some(&before), Some(&after)), &told, by).await?;
        tx.commit().await?;
        Ok(after)
    }

    async fn find_ruled(&self, id: Uuid, within: &Reach) -> Result<UserRecord> {
        let tx = self.db.system().await?;
        ruled(read(&tx, id).await?, within)
    }

    /// Removes an account with its sessions. One that is for other customers as well loses those within reach.
    pub async fn delete_user(&self, id: Uuid, within: &Reach, by: Operator<'_>) -> Result<()> {
        let tx = self.db.system().await?;
        tx.query_one_raw(sql("SELECT id FROM admin_users WHERE id = $1 FOR UPDATE", [id.into()]))
            .await?;
        let whole = read(&tx, id).await?;
        let is_ruled = within.rules(&whole.reach);
        let before = seen(whole, within)?;
        if !is_ruled {
            Self::take_away(&tx, &before, by).await?;
            return tx.commit().await;
        }
        tx.execute_raw(sql("DELETE FROM admin_users WHERE id = $1", [id.into()]))
            .await?;
        record(&tx, "user.deleted", (Some(&before), None), &json!({}), by).await?;
        tx.commit().await
    }

    /// Takes these customers off an account that stays for others.
    async fn take_away(tx: &SystemTx, before: &UserRecord, by: Operator<'_>) -> Result<()> {
        let delete = "DELETE FROM admin_user_customers WHERE user_id = $1 AND customer_id = ANY($2)";
        let gone = customers(&before.reach).unwrap_or_default();
        tx.execute_raw(sql(delete, [before.id.into(), gone.into()])).await?;
        Self::end_sessions(tx, before.id).await?;
        let after = UserRecord {
            reach: Reach::Customers(Vec::new()),
            ..before.clone()
        };
        record(tx, "user.changed", (Some(before), Some(&after)), &json!({}), by).await
    }
}

/// What changes without being told, for the audit log; no secret and no name.
fn told(change: &UserChange) -> Value {
    let said = [("name", change.name.is_some()), ("password", change.password.is_some())];
    let said = said.into_iter().filter(|(_, given)| *given);
    said.map(|(what, _)| (what.to_owned(), Value::Bool(true)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What an account may do, as one of its customers is told of it, or, for none, the installation.
fn facts(user: Option<&UserRecord>, of: Option<Uuid>) -> Value {
    let Some(user) = user else { return Value::Null };
    let named = customers(&user.reach).map(|mut named| {
        named.retain(|id| of.is_none_or(|of| of == *id));
        named
    });
    json!({
        "role": user.role.as_str(),
        "customers": named,
        "disabled": user.disabled_at.is_some(),
        "second_factor": user.second_factor,
    })
}

fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    let length = name.chars().count();
    if (1..=100).contains(&length) && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(Error::invalid(
            "name",
            "must have 1 to 100 characters, and no line breaks",
        ))
    }
}

/// Refuses a role and customers that do not go together, or that whoever asks can't give.
fn checked_reach(role: Role, reach: &Reach, within: &Reach) -> Result<()> {
    match reach {
        Reach::Everywhere if role != Role::Owner => Err(Error::invalid(
            "customers",
            "are required but for an owner of the installation",
        )),
        Reach::Customers(named) if named.is_empty() => Err(Error::invalid("customers", "must name at least one")),
        reach if within.rules(reach) => Ok(()),
        Reach::Everywhere => Err(Error::invalid(
            "installation",
            "is for owners of the installation to give",
        )),
        // A customer out of reach is as good as none.
        Reach::Customers(_) => Err(Error::not_found("customer")),
    }
}

/// The account as somebody of this reach sees it: with no customers but those within it, of which there must be one.
fn seen(user: UserRecord, within: &Reach) -> Result<UserRecord> {
    if within.rules(&user.reach) {
        return Ok(user);
    }
    let mut named = customers(&user.reach).unwrap_or_default();
    named.retain(|customer| within.covers(*customer));
    if named.is_empty() {
        return Err(Error::not_found("user"));
    }
    let reach = Reach::Customers(named);
    Ok(UserRecord { reach, ..user })
}

/// The account, if somebody of this reach decides about it.
fn ruled(user: UserRecord, within: &Reach) -> Result<UserRecord> {
    if within.rules(&user.reach) {
        return Ok(user);
    }
    seen(user, within)?;
    let told = "the account is not for your customers alone; you can take them off it by removing it";
    Err(Error::conflict("shared_account", told))
}

fn customers(reach: &Reach) -> Option<Vec<Uuid>> {
    match reach {
        Reach::Everywhere => None,
        Reach::Customers(named) => Some(named.clone()),
    }
}

async fn set_customers(tx: &SystemTx, user: Uuid, reach: &Reach) -> Result<()> {
    tx.execute_raw(sql(
        "DELETE FROM admin_user_customers WHERE user_id = $1",
        [user.into()],
    ))
    .await?;
    let Some(named) = customers(reach) else { return Ok(()) };
    let insert =
        "INSERT INTO admin_user_customers (user_id, customer_id) SELECT DISTINCT $1, c FROM unnest($2::uuid[]) c";
    let inserted = tx.execute_raw(sql(insert, [user.into(), named.into()])).await;
    inserted.map(drop).map_err(|error| match error.sql_err() {
        Some(SqlErr::ForeignKeyConstraintViolation(_)) => Error::not_found("customer"),
        _ => error.into(),
    })
}

async fn read(tx: &SystemTx, id: Uuid) -> Result<UserRecord> {
    let query = format!("{RECORD} WHERE u.id = $1");
    let row = tx.query_one_raw(sql(&query, [id.into()])).await?;
    row.as_ref()
        .map(user)
        .transpose()?
        .ok_or_else(|| Error::not_found("user"))
}

fn user(row: &QueryResult) -> Result<UserRecord> {
    Ok(UserRecord {
        id: row.try_get("", "id")?,
        email: row.try_get("", "email")?,
        name: row.try_get("", "name")?,
        role: row.try_get::<String>("", "role")?.parse()?,
        reach: reach(row)?,
        second_factor: row.try_get("", "second_factor")?,
        disabled_at: row.try_get("", "disabled_at")?,
        last_login_at: row.try_get("", "last_login_at")?,
        created_at: row.try_get("", "created_at")?,
    })
}

/// A line for each customer that it concerns, and for the installation where it concerns all of them or none: people who work for a
/// customer are its affair, and nobody else's.
async fn record(
    tx: &SystemTx,
    action: &str,
    (before, after): (Option<&UserRecord>, Option<&UserRecord>),
    told: &Value,
    by: Operator<'_>,
) -> Result<()> {
    let user = after.or(before).map(|user| user.id.to_string()).unwrap_or_default();
    let mut concerned = BTreeSet::new();
    for user in [before, after].into_iter().flatten() {
        match customers(&user.reach) {
            Some(named) if !named.is_empty() => concerned.extend(named.into_iter().map(Some)),
            _ => drop(concerned.insert(None)),
        }
    }
    for customer in concerned {
        let mut metadata = told.clone();
        metadata["changes"] = audit::changes(&facts(before, customer), &facts(after, customer));
        let entry = Entry {
            customer,
            actor: by.actor,
            action,
            resource: &user,
            metadata,
            ip: by.ip,
        };
        audit::record(&**tx, entry).await?;
    }
    Ok(())
}

/// Two who add the same address do it one after the other.
async fn lock_address(tx: &SystemTx, address: &str) -> Result<()> {
    const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('account ' || $1, 0))";
    tx.execute_raw(sql(LOCK, [address.into()])).await?;
    Ok(())
}
