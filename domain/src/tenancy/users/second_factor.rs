//! The second factor: an authenticator app, and codes on paper for the day that it is lost. The app's secret is sealed and bound to its
//! row; codes on paper are random enough to be kept as plain hashes. No code of either kind is taken twice.
use sea_orm::ConnectionTrait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Accounts, NewSession, SignedIn,
    attempts::{Attempt, Attempts, Subject},
    login::Failed,
    session::own_deed,
    totp,
};
use crate::{
    Error, Result,
    error::Kind,
    secrets::{self, sealed::SECOND_FACTOR},
    tenancy::{SystemTx, sql},
};

/// Recovery codes of an account.
const CODES: usize = 10;

/// A second factor that is not confirmed yet.
pub struct Enrolment {
    /// The secret in base32, for people who type it.
    pub secret: SecretString,
    /// The same for apps, `otpauth://…`.
    pub uri: SecretString,
}

impl Accounts {
    /// Makes the secret of a second factor. It is not asked for before it was confirmed with a code; a new one replaces one that
    /// never was.
    pub async fn enrol(&self, who: &SignedIn, password: SecretString, ip: Option<&str>) -> Result<Enrolment> {
        self.confirm_password(who, password, ip).await?;
        let secret = Zeroizing::new(secrets::random_bytes::<{ totp::SECRET_LEN }>()?);
        let tx = self.db.system().await?;
        let sealed = self
            .envelopes
            .seal(&*tx, SECOND_FACTOR.at(None, who.user), &*secret)
            .await?;
        let update =
            "UPDATE admin_users SET totp_secret = $2, totp_last_step = 0 WHERE id = $1 AND totp_confirmed_at IS NULL";
        let done = tx.execute_raw(sql(update, [who.user.into(), sealed.into()])).await?;
        if done.rows_affected() == 0 {
            return Err(Error::conflict(
                "second_factor_on",
                "the account has a second factor; turn it off first",
            ));
        }
        tx.commit().await?;
        Ok(Enrolment {
            secret: totp::base32(&*secret).into(),
            uri: totp::uri("Omniops", &who.email, &*secret).into(),
        })
    }

    /// Turns the second factor on, by a code of the app. Returns the recovery codes, which are shown this once, and the session
    /// that goes on; all others end.
    pub async fn confirm_second_factor(
        &self,
        who: &SignedIn,
        code: &SecretString,
        ip: Option<&str>,
    ) -> Result<(Vec<SecretString>, NewSession)> {
        let attempt = self
            .attempts
            .begin(&[Subject::Person(who.user)], ip, self.clock.now())
            .await?;
        let tx = self.db.system().await?;
        let lock = "SELECT id FROM admin_users WHERE id = $1 AND totp_secret IS NOT NULL AND totp_confirmed_at IS NULL FOR UPDATE";
        if tx.query_one_raw(sql(lock, [who.user.into()])).await?.is_none() {
            let message = "there is no second factor that waits for its first code";
            return Err(Error::conflict("second_factor_not_begun", message));
        }
        if !self.use_app_code(&tx, who.user, code.expose_secret()).await? {
            drop(tx);
            return Err(self.wrong_code(who, &attempt, ip).await?);
        }
        Attempts::succeed(&*tx, &attempt).await?;
        let on = "UPDATE admin_users SET totp_confirmed_at = $2 WHERE id = $1";
        tx.execute_raw(sql(on, [who.user.into(), self.clock.now().into()]))
            .await?;
        let codes = Self::replace_codes(&tx, who.user).await?;
        Self::end_sessions(&tx, who.user).await?;
        let session = self.begin_session(&tx, who.user, ip).await?;
        own_deed(&tx, &session.who, "admin.second_factor_on", json!({}), ip).await?;
        tx.commit().await?;
        Ok((codes, session))
    }

    /// Turns the own second factor off, by password and a code of either kind. All other sessions end.
    pub async fn drop_second_factor(
        &self,
        who: &SignedIn,
        password: SecretString,
        code: &SecretString,
        ip: Option<&str>,
    ) -> Result<NewSession> {
        self.confirm_password(who, password, ip).await?;
        // By itself: the right password, which clears its own count, buys no guesses.
        let id = who.user.to_string();
        let on = [Subject::Code(&id, None)];
        let attempt = self.attempts.begin(&on, ip, self.clock.now()).await?;
        let tx = self.db.system().await?;
        if self.use_code(&tx, who.user, code).await?.is_none() {
            drop(tx);
            return Err(self.wrong_code(who, &attempt, ip).await?);
        }
        Attempts::succeed(&*tx, &attempt).await?;
        Self::clear_second_factor(&tx, who.user).await?;
        let session = self.begin_session(&tx, who.user, ip).await?;
        own_deed(&tx, &session.who, "admin.second_factor_off", json!({}), ip).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Takes the second factor off an account, and ends its sessions.
    pub(super) async fn clear_second_factor(tx: &SystemTx, user: Uuid) -> Result<()> {
        let off = "UPDATE admin_users SET totp_secret = NULL, totp_confirmed_at = NULL WHERE id = $1";
        tx.execute_raw(sql(off, [user.into()])).await?;
        tx.execute_raw(sql(
            "DELETE FROM admin_recovery_codes WHERE user_id = $1",
            [user.into()],
        ))
        .await?;
        Self::end_sessions(tx, user).await
    }

    /// Uses a code up; says which kind it was, or nothing if it is none of the account's.
    pub(super) async fn use_code(
        &self,
        tx: &SystemTx,
        user: Uuid,
        code: &SecretString,
    ) -> Result<Option<&'static str>> {
        let code = code.expose_secret();
        if self.use_app_code(tx, user, code).await? {
            return Ok(Some("app"));
        }
        let query = "DELETE FROM admin_recovery_codes WHERE user_id = $1 AND code_hash = $2";
        let spent = tx
            .execute_raw(sql(query, [user.into(), recovery_hash(code).into()]))
            .await?;
        Ok((spent.rows_affected() == 1).then_some("recovery_code"))
    }

    /// The steps only go forward, so a code that was used, or is older than one, is worth nothing.
    async fn use_app_code(&self, tx: &SystemTx, user: Uuid, code: &str) -> Result<bool> {
        let query = "SELECT totp_secret FROM admin_users WHERE id = $1 AND totp_secret IS NOT NULL";
        let Some(row) = tx.query_one_raw(sql(query, [user.into()])).await? else {
            return Ok(false);
        };
        let sealed: Vec<u8> = row.try_get("", "totp_secret")?;
        let secret = self
            .envelopes
            .open(&**tx, SECOND_FACTOR.at(None, user), &sealed)
            .await?;
        // Apps show `123 456`.
        let code: String = code.split_whitespace().collect();
        let Some(step) = totp::step_of(&secret, &code, self.clock.now().unix_timestamp()) else {
            return Ok(false);
        };
        let spend = "UPDATE admin_users SET totp_last_step = $2 WHERE id = $1 AND totp_last_step < $2";
        Ok(tx
            .execute_raw(sql(spend, [user.into(), step.into()]))
            .await?
            .rows_affected()
            == 1)
    }

    /// Notes a wrong code of somebody with a session, and says that it was one.
    async fn wrong_code(&self, who: &SignedIn, attempt: &Attempt, ip: Option<&str>) -> Result<Error> {
        self.note_failure(Failed::Account(who.user), attempt.blocks, "code", ip)
            .await?;
        let message = "the code is wrong, or was used before";
        Ok(Error::new(Kind::Forbidden, "wrong_code", message))
    }

    async fn replace_codes(tx: &SystemTx, user: Uuid) -> Result<Vec<SecretString>> {
        tx.execute_raw(sql(
            "DELETE FROM admin_recovery_codes WHERE user_id = $1",
            [user.into()],
        ))
        .await?;
        let mut codes = Vec::with_capacity(CODES);
        for _ in 0..CODES {
            // 80 bits: 16 characters in groups of four.
            let text = totp::base32(&secrets::random_bytes::<10>()?).to_lowercase();
            let groups: Vec<&str> = [0, 4, 8, 12].iter().filter_map(|at| text.get(*at..at + 4)).collect();
            let code = groups.join("-");
            let keep = "INSERT INTO admin_recovery_codes (user_id, code_hash) VALUES ($1, $2)";
            tx.execute_raw(sql(keep, [user.into(), recovery_hash(&code).into()]))
                .await?;
            codes.push(code.into());
        }
        Ok(codes)
    }
}

/// Spaces, dashes and capitals are how people write.
fn recovery_hash(code: &str) -> Vec<u8> {
    let plain: String = code.chars().filter(|c| c.is_alphanumeric()).collect();
    secrets::sha256(plain.to_lowercase().as_bytes())
}
