//! Logging in: the password, the second factor where there is one, and a session. Also the change of the own password, which is a
//! login in all but name.
use sea_orm::ConnectionTrait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Accounts, NewSession, SignedIn,
    attempts::{Attempt, Attempts, Subject},
    email, password, refused,
    session::{concerned, own_deed, reach},
};
use crate::{
    Error, Result, audit,
    error::Kind,
    secrets,
    tenancy::{SystemTx, sql},
};

/// Whoever knows the password has so long to type the code.
const CHALLENGE: time::Duration = time::Duration::minutes(5);

/// What somebody logs in with.
pub struct Credentials {
    /// The e-mail address of the account.
    pub email: String,
    /// Its password.
    pub password: SecretString,
    /// The code of the second factor, if it is at hand.
    pub code: Option<SecretString>,
    /// What an earlier login from the same device was given.
    pub device: Option<String>,
}

/// What comes of a right password.
pub enum Login {
    /// A session, and a text by which the device is known from now on.
    In(Box<NewSession>, String),
    /// The code is still wanted, together with this text.
    SecondFactor {
        /// Says that the password was right; good for five minutes.
        challenge: String,
    },
}

/// What of an account a login is about.
#[derive(Clone)]
struct Account {
    id: Uuid,
    password_hash: String,
    second_factor: bool,
    open: bool,
}

/// Whose failure it was.
pub(super) enum Failed<'a> {
    /// Of what is no account's address, or a challenge that nobody has signed.
    Nobodys(&'a str),
    /// Of one of the accounts of an address, which several customers may have: none of them is told.
    AddressOf(Uuid),
    /// Of this account: the password was right, or the device is known, or there is a session. Its customers read of it.
    Account(Uuid),
}

/// What a challenge says.
#[derive(Serialize, Deserialize)]
struct Challenge {
    user: Uuid,
    /// The password that was right: another one ends the challenge.
    password: String,
    until: i64,
}

impl Accounts {
    /// Logs in with a password, and with a code where one is given and wanted.
    pub async fn log_in(&self, given: Credentials, ip: Option<&str>) -> Result<Login> {
        // What is no address is nobody's account, and counted and answered like one.
        let address = email(&given.email).unwrap_or_else(|_| given.email.clone());
        let mut accounts = self.accounts(&address).await?;
        let ids: Vec<String> = accounts.iter().map(|account| account.id.to_string()).collect();
        let names = if ids.is_empty() {
            vec![address.as_str()]
        } else {
            ids.iter().map(String::as_str).collect()
        };
        let on: Vec<Subject<'_>> = names
            .into_iter()
            .map(|name| Subject::Account(name, given.device.as_deref()))
            .collect();
        let mut attempt = self.attempts.begin(&on, ip, self.clock.now()).await?;
        let hashes = accounts.iter().map(|account| account.password_hash.clone()).collect();
        let right = self.checked(given.password, hashes, &attempt).await?;
        let opened = accounts.iter().zip(right).enumerate();
        let whose = opened
            .filter(|(n, (account, right))| *right && account.open && attempt.admits(*n))
            .map(|(n, _)| n)
            .next();
        let Some(whose) = whose else {
            let known = attempt.known().and_then(|n| accounts.get(n));
            let failed = match (known, accounts.first()) {
                (Some(account), _) => Failed::Account(account.id),
                (None, Some(account)) => Failed::AddressOf(account.id),
                (None, None) => Failed::Nobodys(&address),
            };
            self.note_failure(failed, attempt.blocks, "password", ip).await?;
            return Err(refused());
        };
        attempt.choose(whose);
        let account = accounts.swap_remove(whose);
        if !account.second_factor {
            return self.enter(&account, None, &attempt, ip).await;
        }
        self.attempts.give_back(&attempt).await?;
        let Some(code) = given.code else {
            return Ok(Login::SecondFactor {
                challenge: self.challenge(&account)?,
            });
        };
        let attempt = self.count_code(&account, given.device.as_deref(), ip).await?;
        self.enter(&account, Some(code), &attempt, ip).await
    }

    /// Codes are counted by themselves: what is guessed at one account's says nothing about another of the same address.
    async fn count_code(&self, account: &Account, device: Option<&str>, ip: Option<&str>) -> Result<Attempt> {
        let id = account.id.to_string();
        self.attempts
            .begin(&[Subject::Code(&id, device)], ip, self.clock.now())
            .await
    }

    /// Which of these hashes the password has. Whoever finds no turn has not failed.
    async fn checked(&self, password: SecretString, hashes: Vec<String>, attempt: &Attempt) -> Result<Vec<bool>> {
        let checked = self.passwords.verify(password, hashes).await;
        if checked.is_err() {
            self.attempts.give_back(attempt).await?;
        }
        checked
    }

    /// The second of two steps: the code for a challenge.
    pub async fn log_in_with_code(
        &self,
        challenge: &str,
        code: SecretString,
        device: Option<&str>,
        ip: Option<&str>,
    ) -> Result<Login> {
        let Some(opened) = self.challenges.open(challenge) else {
            self.note_failure(Failed::Nobodys(challenge), false, "challenge", ip)
                .await?;
            return Err(refused());
        };
        let said: Challenge = serde_json::from_slice(&opened)?;
        if said.until <= self.clock.now().unix_timestamp() {
            self.note_failure(Failed::Account(said.user), false, "challenge", ip)
                .await?;
            return Err(refused());
        }
        let Some(account) = self.account_of(said.user).await? else {
            return Err(refused());
        };
        let attempt = self.count_code(&account, device, ip).await?;
        if !account.open || !secrets::equal(fingerprint(&account.password_hash), &said.password) {
            self.note_failure(Failed::Account(account.id), attempt.blocks, "challenge", ip)
                .await?;
            return Err(refused());
        }
        self.enter(&account, Some(code), &attempt, ip).await
    }

    /// Gives the account another password. All of its sessions end, and the caller's begins anew.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        old: SecretString,
        new: &SecretString,
        ip: Option<&str>,
    ) -> Result<NewSession> {
        let new = password::check_new(new, &who.email, "new_password")?;
        let (account, attempt) = self.confirm(who, old, ip).await?;
        let like = Some(account.password_hash.clone());
        let hash = self.passwords.hash(new, like).await?;
        let tx = self.db.system().await?;
        Self::still(&tx, &account).await?;
        Attempts::succeed(&*tx, &attempt).await?;
        let update = "UPDATE admin_users SET password_hash = $2 WHERE id = $1";
        tx.execute_raw(sql(update, [account.id.into(), hash.into()])).await?;
        Self::end_sessions(&tx, account.id).await?;
        let session = self.begin_session(&tx, account.id, ip).await?;
        own_deed(&tx, &session.who, "admin.password_changed", json!({}), ip).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Makes sure that it is still the person who logged in: by the password, guesses of which are counted like logins.
    async fn confirm(&self, who: &SignedIn, password: SecretString, ip: Option<&str>) -> Result<(Account, Attempt)> {
        let attempt = self
            .attempts
            .begin(&[Subject::Person(who.user)], ip, self.clock.now())
            .await?;
        let account = self.account_of(who.user).await?.ok_or_else(refused)?;
        let hashes = vec![account.password_hash.clone()];
        let right = self.checked(password, hashes, &attempt).await?;
        if right == [true] {
            return Ok((account, attempt));
        }
        self.note_failure(Failed::Account(who.user), attempt.blocks, "confirmation", ip)
            .await?;
        let message = "the password is wrong";
        Err(Error::new(Kind::Forbidden, "wrong_password", message))
    }

    /// [`Accounts::confirm`] for what needs no more than that: the attempt is settled.
    pub(super) async fn confirm_password(
        &self,
        who: &SignedIn,
        password: SecretString,
        ip: Option<&str>,
    ) -> Result<()> {
        let (_, attempt) = self.confirm(who, password, ip).await?;
        let tx = self.db.system().await?;
        Attempts::succeed(&*tx, &attempt).await?;
        tx.commit().await
    }

    /// The session, if the code is right or none is wanted, and the account is still what was looked at.
    async fn enter(
        &self,
        account: &Account,
        code: Option<SecretString>,
        attempt: &Attempt,
        ip: Option<&str>,
    ) -> Result<Login> {
        let tx = self.db.system().await?;
        Self::still(&tx, account).await?;
        let factor = match (account.second_factor, code) {
            (false, _) => "password",
            (true, Some(code)) => {
                let Some(factor) = self.use_code(&tx, account.id, &code).await? else {
                    drop(tx);
                    self.note_failure(Failed::Account(account.id), attempt.blocks, "code", ip)
                        .await?;
                    return Err(refused());
                };
                factor
            }
            (true, None) => return Err(refused()),
        };
        Attempts::succeed(&*tx, attempt).await?;
        let update = "UPDATE admin_users SET last_login_at = $2 WHERE id = $1";
        tx.execute_raw(sql(update, [account.id.into(), self.clock.now().into()]))
            .await?;
        let session = self.begin_session(&tx, account.id, ip).await?;
        own_deed(&tx, &session.who, "admin.login", json!({ "factor": factor }), ip).await?;
        tx.commit().await?;
        let device = self.attempts.know(&account.id.to_string(), self.clock.now())?;
        Ok(Login::In(Box::new(session), device))
    }

    /// Locks the account's row and refuses unless it is as it was: a password that was changed, or an account that was closed, while
    /// the old one was checked opens nothing.
    async fn still(tx: &SystemTx, account: &Account) -> Result<()> {
        let query = "SELECT id FROM admin_users WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL
                     AND (totp_confirmed_at IS NOT NULL) = $3 FOR UPDATE";
        let values = [
            account.id.into(),
            account.password_hash.as_str().into(),
            account.second_factor.into(),
        ];
        let same = tx.query_one_raw(sql(query, values)).await?;
        same.map(drop).ok_or_else(refused)
    }

    /// The audit lines of a failure. An address that is nobody's is told by a keyed hash: people mistype others' addresses.
    pub(super) async fn note_failure(
        &self,
        failed: Failed<'_>,
        blocks: bool,
        what: &str,
        ip: Option<&str>,
    ) -> Result<()> {
        let tx = self.db.system().await?;
        let (resource, customers) = match failed {
            Failed::Nobodys(address) => (self.attempts.nobody(address), vec![None]),
            Failed::AddressOf(user) => (user.to_string(), vec![None]),
            Failed::Account(user) => (user.to_string(), Self::customers_of(&tx, user).await?),
        };
        for customer in customers {
            let line = |action, metadata: Value| audit::Entry {
                customer,
                actor: "anonymous",
                action,
                resource: &resource,
                metadata,
                ip,
            };
            audit::record(&*tx, line("admin.login_failed", json!({ "wrong": what }))).await?;
            if blocks {
                audit::record(&*tx, line("admin.login_blocked", json!({}))).await?;
            }
        }
        tx.commit().await
    }

    /// Whose audit lines an account's failures are.
    async fn customers_of(tx: &SystemTx, user: Uuid) -> Result<Vec<Option<Uuid>>> {
        let query = "SELECT u.everywhere, ARRAY(SELECT customer_id FROM admin_user_customers c WHERE c.user_id = u.id ORDER BY 1) AS customers
                     FROM admin_users u WHERE u.id = $1";
        let row = tx.query_one_raw(sql(query, [user.into()])).await?;
        row.map_or(Ok(vec![None]), |row| Ok(concerned(&reach(&row)?)))
    }

    fn challenge(&self, account: &Account) -> Result<String> {
        let said = Challenge {
            user: account.id,
            password: fingerprint(&account.password_hash),
            until: (self.clock.now() + CHALLENGE).unix_timestamp(),
        };
        Ok(self.challenges.seal(&serde_json::to_vec(&said)?))
    }

    /// All of this address, each by another customer's owner. Where two have one password, it is about the one that is used.
    async fn accounts(&self, address: &str) -> Result<Vec<Account>> {
        self.find(
            "u.email = $1 ORDER BY u.last_login_at DESC NULLS LAST, u.id",
            address.into(),
        )
        .await
    }

    async fn account_of(&self, user: Uuid) -> Result<Option<Account>> {
        Ok(self.find("u.id = $1", user.into()).await?.pop())
    }

    async fn find(&self, which: &str, value: sea_orm::Value) -> Result<Vec<Account>> {
        let query = format!(
            "SELECT u.id, u.password_hash, u.totp_confirmed_at IS NOT NULL AS second_factor, u.disabled_at IS NULL AS open
             FROM admin_users u WHERE {which}"
        );
        let tx = self.db.system().await?;
        let rows = tx.query_all_raw(sql(&query, [value])).await?;
        let accounts = rows.iter().map(|row| -> Result<Account> {
            Ok(Account {
                id: row.try_get("", "id")?,
                password_hash: row.try_get("", "password_hash")?,
                second_factor: row.try_get("", "second_factor")?,
                open: row.try_get("", "open")?,
            })
        });
        accounts.collect()
    }
}

fn fingerprint(text: &str) -> String {
    hex::encode(secrets::sha256(text.as_bytes()))
}
