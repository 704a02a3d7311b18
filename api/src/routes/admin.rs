//! People's own sessions: logging in and out, the own password and second factor.
use domain::tenancy::{Credentials, Login, NewSession, SignedIn};
use poem::{Request, web::Data};
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};
use secrecy::ExposeSecret;
use std::time::Duration;
use time::OffsetDateTime;

use super::users::User;
use crate::{
    Context,
    error::Answer,
    extractors::{Person, SecretBody, from_own_page, peer, session_cookie, session_token},
    openapi::Tag,
};

/// What somebody logs in with: `email` and `password`, with `code` where it is at hand; or `challenge` and `code` as the second
/// step.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct LoginInput {
    #[oai(nullable, validator(max_length = 254))]
    email: Option<String>,
    #[oai(nullable, validator(max_length = 1000))]
    password: Option<String>,
    /// Six digits of the authenticator app, or a recovery code.
    #[oai(nullable, validator(max_length = 40))]
    code: Option<String>,
    /// What an earlier login on this device gave: such a device is not kept out by strangers who fail on purpose.
    #[oai(nullable, validator(max_length = 1000))]
    device: Option<String>,
    /// What the first step gave.
    #[oai(nullable, validator(max_length = 1000))]
    challenge: Option<String>,
}

/// A session that has begun. Its token stands in the cookie alone.
#[derive(Object)]
struct SessionInfo {
    /// For the header `x-csrf-token` of every call but GET, as long as the session lives.
    csrf_token: String,
    /// When the session ends at the latest; it ends before, if nobody uses it.
    ends_at: OffsetDateTime,
    user: User,
}

/// A session that a login has begun.
#[derive(Object)]
struct LoggedIn {
    /// For the header `x-csrf-token` of every call but GET, as long as the session lives.
    csrf_token: String,
    /// When the session ends at the latest; it ends before, if nobody uses it.
    ends_at: OffsetDateTime,
    user: User,
    /// To be kept by this device and sent with its next login. It opens nothing.
    device: String,
}

/// The password is right; a code is wanted.
#[derive(Object)]
struct SecondStep {
    /// To be sent together with `code`, within five minutes.
    challenge: String,
}

#[derive(ApiResponse)]
enum LoginAnswer {
    /// Logged in.
    #[oai(status = 200)]
    In(Json<LoggedIn>, #[oai(header = "Set-Cookie")] String),
    /// The password is right, and the account has a second factor: send `challenge` and `code`.
    #[oai(status = 202)]
    SecondFactor(Json<SecondStep>),
}

#[derive(ApiResponse)]
enum Renewed {
    /// The session that goes on; all others of the account have ended.
    #[oai(status = 200)]
    Session(Json<SessionInfo>, #[oai(header = "Set-Cookie")] String),
}

#[derive(ApiResponse)]
enum LoggedOut {
    /// The session has ended.
    #[oai(status = 204)]
    Done(#[oai(header = "Set-Cookie")] String),
}

/// Another password.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct PasswordChange {
    #[oai(validator(max_length = 1000))]
    old_password: String,
    /// 12 to 256 characters, not the e-mail address, and none of the commonest passwords.
    #[oai(validator(max_length = 1000))]
    new_password: String,
}

/// The own password once more.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct PasswordAgain {
    #[oai(validator(max_length = 1000))]
    password: String,
}

/// A code.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct Code {
    /// Six digits of the authenticator app.
    #[oai(validator(max_length = 40))]
    code: String,
}

/// What takes the second factor off.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct Removal {
    #[oai(validator(max_length = 1000))]
    password: String,
    /// Six digits of the authenticator app, or a recovery code.
    #[oai(validator(max_length = 40))]
    code: String,
}

/// A second factor that waits for its first code.
#[derive(Object)]
struct SecondFactor {
    /// In base32, for people who type it into the app.
    secret: String,
    /// `otpauth://…`, for a picture that the app reads.
    uri: String,
}

/// The second factor is on.
#[derive(Object)]
struct SecondFactorOn {
    /// Ten codes for the day that the app is lost, each good once; shown this once.
    recovery_codes: Vec<String>,
    csrf_token: String,
    ends_at: OffsetDateTime,
}

#[derive(ApiResponse)]
enum TurnedOn {
    /// The recovery codes, and the session that goes on; all others of the account have ended.
    #[oai(status = 200)]
    On(Json<SecondFactorOn>, #[oai(header = "Set-Cookie")] String),
}

/// The calls of this resource.
pub struct Api;

#[OpenApi]
impl Api {
    /// Log in
    ///
    /// One answer to whatever is wrong: 401 `invalid_login`. After some failures 429 `login_blocked`, for an account that exists like for one
    /// that does not. Over plain HTTP people log in on this machine only (403 `https_required`).
    #[oai(
        path = "/api/admin/login",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "log_in"
    )]
    async fn log_in(
        &self,
        req: &Request,
        context: Data<&Context>,
        body: SecretBody<LoginInput>,
    ) -> Answer<LoginAnswer> {
        from_own_page(req, &context.base_url)?;
        // Told before the password is looked at: a session that no browser keeps helps nobody.
        session_cookie(&context.base_url, "", Duration::ZERO)?;
        let ip = peer(req);
        let login = match body.0 {
            LoginInput {
                email: Some(email),
                password: Some(password),
                code,
                device,
                challenge: None,
            } => {
                let given = Credentials {
                    email,
                    password: password.into(),
                    code: code.map(Into::into),
                    device,
                };
                context.accounts.log_in(given, ip.as_deref()).await?
            }
            LoginInput {
                email: None,
                password: None,
                code: Some(code),
                device,
                challenge: Some(challenge),
            } => {
                let step = context
                    .accounts
                    .log_in_with_code(&challenge, code.into(), device.as_deref(), ip.as_deref());
                step.await?
            }
            _ => {
                let reason = "must be email and password, with code where there is one; or challenge and code";
                return Err(domain::Error::invalid("body", reason).into());
            }
        };
        let (begun, device) = match login {
            Login::In(begun, device) => (begun, device),
            Login::SecondFactor { challenge } => return Ok(LoginAnswer::SecondFactor(Json(SecondStep { challenge }))),
        };
        // Whatever session the browser came with ends: nobody is left in one that somebody else has put there.
        if let Some(before) = session_token(req, &context.base_url) {
            context.accounts.end_session(before).await?;
        }
        let (info, cookie) = begin(&context, &begun)?;
        let told = LoggedIn {
            csrf_token: info.csrf_token,
            ends_at: info.ends_at,
            user: info.user,
            device,
        };
        Ok(LoginAnswer::In(Json(told), cookie))
    }

    /// Log out
    #[oai(
        path = "/api/admin/logout",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "log_out"
    )]
    async fn log_out(&self, context: Data<&Context>, person: Person) -> Answer<LoggedOut> {
        context.accounts.log_out(&person.who, person.ip.as_deref()).await?;
        Ok(LoggedOut::Done(session_cookie(&context.base_url, "", Duration::ZERO)?))
    }

    /// Read who is logged in
    #[expect(clippy::unused_async, reason = "the macro takes async functions only")]
    #[oai(
        path = "/api/admin/me",
        method = "get",
        tag = "Tag::Administration",
        operation_id = "who_am_i"
    )]
    async fn me(&self, context: Data<&Context>, person: Person) -> Answer<Json<SessionInfo>> {
        Ok(Json(info(&context, &person.who)))
    }

    /// Change the own password
    ///
    /// All sessions of the account end, and this one begins anew. 403 `wrong_password`; guesses are counted like logins.
    #[oai(
        path = "/api/admin/password",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "change_password"
    )]
    async fn password(
        &self,
        context: Data<&Context>,
        person: Person,
        body: SecretBody<PasswordChange>,
    ) -> Answer<Renewed> {
        let (old, new) = (body.0.old_password.into(), body.0.new_password.into());
        let changed = context
            .accounts
            .change_password(&person.who, old, &new, person.ip.as_deref());
        let (info, cookie) = begin(&context, &changed.await?)?;
        Ok(Renewed::Session(Json(info), cookie))
    }

    /// Begin with a second factor
    ///
    /// It is asked for once it was confirmed with a code. 409 `second_factor_on` where there is one.
    #[oai(
        path = "/api/admin/second-factor",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "begin_second_factor"
    )]
    async fn enrol(
        &self,
        context: Data<&Context>,
        person: Person,
        body: SecretBody<PasswordAgain>,
    ) -> Answer<Json<SecondFactor>> {
        let enrolled = context
            .accounts
            .enrol(&person.who, body.0.password.into(), person.ip.as_deref());
        let enrolled = enrolled.await?;
        Ok(Json(SecondFactor {
            secret: enrolled.secret.expose_secret().to_owned(),
            uri: enrolled.uri.expose_secret().to_owned(),
        }))
    }

    /// Turn the second factor on, by the first code of the app
    #[oai(
        path = "/api/admin/second-factor/confirm",
        method = "post",
        tag = "Tag::Administration",
        operation_id = "confirm_second_factor"
    )]
    async fn confirm(&self, context: Data<&Context>, person: Person, body: SecretBody<Code>) -> Answer<TurnedOn> {
        let code = body.0.code.into();
        let confirmed = context
            .accounts
            .confirm_second_factor(&person.who, &code, person.ip.as_deref());
        let (codes, begun) = confirmed.await?;
        let (info, cookie) = begin(&context, &begun)?;
        let on = SecondFactorOn {
            recovery_codes: codes.iter().map(|code| code.expose_secret().to_owned()).collect(),
            csrf_token: info.csrf_token,
            ends_at: info.ends_at,
        };
        Ok(TurnedOn::On(Json(on), cookie))
    }

    /// Turn the own second factor off
    #[oai(
        path = "/api/admin/second-factor",
        method = "delete",
        tag = "Tag::Administration",
        operation_id = "remove_second_factor"
    )]
    async fn remove(&self, context: Data<&Context>, person: Person, body: SecretBody<Removal>) -> Answer<Renewed> {
        let (password, code) = (body.0.password.into(), body.0.code.into());
        let removed = context
            .accounts
            .drop_second_factor(&person.who, password, &code, person.ip.as_deref());
        let (info, cookie) = begin(&context, &removed.await?)?;
        Ok(Renewed::Session(Json(info), cookie))
    }
}

/// What is told of a new session, and its cookie.
fn begin(context: &Context, begun: &NewSession) -> Answer<(SessionInfo, String)> {
    let left = begun.who.ends_at - context.clock.now();
    let left = Duration::try_from(left).unwrap_or_default();
    let cookie = session_cookie(&context.base_url, begun.token.expose_secret(), left)?;
    Ok((info(context, &begun.who), cookie))
}

fn info(context: &Context, who: &SignedIn) -> SessionInfo {
    SessionInfo {
        csrf_token: context.accounts.csrf(who.session),
        ends_at: who.ends_at,
        user: User::from(who),
    }
}
