//! Sessions: a random token in a cookie, kept as its SHA-256. Every request reads the session and its user, so that whatever
//! changes them is known to all replicas at once. A session ends when nobody uses it for a while, after its lifetime, and with every
//! change of its user's password, role, customers or second factor.
use sea_orm::{ConnectionTrait, QueryResult};
use secrecy::SecretString;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Accounts, Need, Reach, Role, actor, least_role};
use crate::{
    Error, Result,
    audit::{self, Entry},
    error::Kind,
    ids, secrets,
    tenancy::{SystemTx, sql},
};

/// How often a session's last use is written down at most.
const SEEN_EVERY: time::Duration = time::Duration::MINUTE;

/// A session at its beginning: the only time that its token is known.
pub struct NewSession {
    /// For the cookie.
    pub token: SecretString,
    /// Whose it is.
    pub who: SignedIn,
}

/// A person with a live session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Uuid,
    /// The person.
    pub user: Uuid,
    /// Their e-mail address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// For whom.
    pub reach: Reach,
    /// Whether a second factor is asked for.
    pub second_factor: bool,
    /// When the session ends at the latest.
    pub ends_at: OffsetDateTime,
}

impl SignedIn {
    /// Refuses unless the role may do this.
    pub fn require(&self, need: Need, writing: bool) -> Result<()> {
        let least = least_role(need, writing);
        let refused = || {
            Error::new(
                Kind::Forbidden,
                "missing_role",
                format!("this needs the role `{}`", least.as_str()),
            )
        };
        if self.role >= least { Ok(()) } else { Err(refused()) }
    }

    /// An owner of the installation.
    pub fn rules_installation(&self) -> bool {
        self.role == Role::Owner && self.reach == Reach::Everywhere
    }
}

/// A session with its user, as long as the account is open.
const FIND: &str = "
SELECT s.id AS session, s.seen_at, s.ends_at, u.id AS user, u.email, u.name, u.role, u.everywhere,
  u.totp_confirmed_at IS NOT NULL AS second_factor,
  ARRAY(SELECT customer_id FROM admin_user_customers c WHERE c.user_id = u.id ORDER BY 1) AS customers
FROM admin_sessions s JOIN admin_users u ON u.id = s.user_id
WHERE s.token_hash = $1 AND u.disabled_at IS NULL";

impl Accounts {
    /// Who presents this cookie, if the session lives.
    pub async fn session(&self, token: &str) -> Result<SignedIn> {
        let refused = || Error::new(Kind::Unauthorized, "session_ended", "log in again");
        let now = self.clock.now();
        let tx = self.db.system().await?;
        let row = tx
            .query_one_raw(sql(FIND, [secrets::sha256(token.as_bytes()).into()]))
            .await?;
        let row = row.ok_or_else(refused)?;
        let who = signed_in(&row)?;
        let seen: OffsetDateTime = row.try_get("", "seen_at")?;
        if who.ends_at <= now || now - seen >= self.config.idle {
            let end = "DELETE FROM admin_sessions WHERE id = $1";
            tx.execute_raw(sql(end, [who.session.into()])).await?;
            tx.commit().await?;
            return Err(refused());
        }
        if now - seen >= SEEN_EVERY {
            let seen = "UPDATE admin_sessions SET seen_at = $2 WHERE id = $1";
            tx.execute_raw(sql(seen, [who.session.into(), now.into()])).await?;
            tx.commit().await?;
        }
        Ok(who)
    }

    /// The token that a request which changes something carries beside the cookie.
    pub fn csrf(&self, session: Uuid) -> String {
        self.csrf.seal(session.as_bytes())
    }

    /// Whether this is that token of that session.
    pub fn csrf_fits(&self, session: Uuid, token: &str) -> bool {
        self.csrf
            .open(token)
            .is_some_and(|of| secrets::equal(of, session.as_bytes()))
    }

    /// Ends a session.
    pub async fn log_out(&self, who: &SignedIn, ip: Option<&str>) -> Result<()> {
        let tx = self.db.system().await?;
        let end = "DELETE FROM admin_sessions WHERE id = $1";
        tx.execute_raw(sql(end, [who.session.into()])).await?;
        own_deed(&tx, who, "admin.logout", json!({}), ip).await?;
        tx.commit().await
    }

    /// Ends whatever session has this token.
    pub async fn end_session(&self, token: &str) -> Result<()> {
        let tx = self.db.system().await?;
        let end = "DELETE FROM admin_sessions WHERE token_hash = $1";
        tx.execute_raw(sql(end, [secrets::sha256(token.as_bytes()).into()]))
            .await?;
        tx.commit().await
    }

    /// A new session in the transaction of what earned it.
    pub(super) async fn begin_session(&self, tx: &SystemTx, user: Uuid, ip: Option<&str>) -> Result<NewSession> {
        const BEGIN: &str = "INSERT INTO admin_sessions (id, user_id, token_hash, ip, began_at, seen_at, ends_at)
            VALUES ($1, $2, $3, $4, $5, $5, $6)";
        let now = self.clock.now();
        let over = "DELETE FROM admin_sessions WHERE ends_at <= $1 OR seen_at <= $2";
        tx.execute_raw(sql(over, [now.into(), (now - self.config.idle).into()]))
            .await?;
        let token = secrets::token()?;
        let hash = secrets::sha256(token.as_bytes());
        let values = [
            ids::new_id().into(),
            user.into(),
            hash.clone().into(),
            ip.map(str::to_owned).into(),
            now.into(),
            (now + self.config.life).into(),
        ];
        tx.execute_raw(sql(BEGIN, values)).await?;
        let row = tx.query_one_raw(sql(FIND, [hash.into()])).await?;
        let row = row.ok_or_else(super::refused)?;
        Ok(NewSession {
            token: token.into(),
            who: signed_in(&row)?,
        })
    }

    /// Ends all sessions of a user, in the transaction of the change that calls for it.
    pub(super) async fn end_sessions(tx: &SystemTx, user: Uuid) -> Result<()> {
        tx.execute_raw(sql("DELETE FROM admin_sessions WHERE user_id = $1", [user.into()]))
            .await?;
        Ok(())
    }
}

fn signed_in(row: &QueryResult) -> Result<SignedIn> {
    Ok(SignedIn {
        session: row.try_get("", "session")?,
        user: row.try_get("", "user")?,
        email: row.try_get("", "email")?,
        name: row.try_get("", "name")?,
        role: row.try_get::<String>("", "role")?.parse()?,
        reach: reach(row)?,
        second_factor: row.try_get("", "second_factor")?,
        ends_at: row.try_get("", "ends_at")?,
    })
}

/// The reach from a row's `everywhere` and `customers`.
pub(super) fn reach(row: &QueryResult) -> Result<Reach> {
    Ok(if row.try_get("", "everywhere")? {
        Reach::Everywhere
    } else {
        Reach::Customers(row.try_get("", "customers")?)
    })
}

/// Whose audit lines tell of an account: its customers', each its own, or else the installation's.
pub(super) fn concerned(reach: &Reach) -> Vec<Option<Uuid>> {
    match reach {
        Reach::Customers(named) if !named.is_empty() => named.iter().copied().map(Some).collect(),
        _ => vec![None],
    }
}

/// Writes down what somebody did to the own account.
pub(super) async fn own_deed(
    tx: &SystemTx,
    who: &SignedIn,
    action: &str,
    metadata: Value,
    ip: Option<&str>,
) -> Result<()> {
    for customer in concerned(&who.reach) {
        let entry = Entry {
            customer,
            actor: &actor(who.user),
            action,
            resource: &who.user.to_string(),
            metadata: metadata.clone(),
            ip,
        };
        audit::record(&**tx, entry).await?;
    }
    Ok(())
}
