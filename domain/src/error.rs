//! One error for all of the business: what the caller may know outside, what the log should know inside.
//!
//! The transport maps [`Kind`] to its own statuses once (`api::error`); nothing here knows HTTP.
use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

/// The result of every business function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The code of what others keep us from for now.
pub const BUSY: &str = "database_busy";

/// What kind of failure it is, by who can do something about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request breaks a rule; the fields say which.
    Invalid(Vec<FieldError>),
    /// No valid credential was presented.
    Unauthorized,
    /// The credential is valid and not enough.
    Forbidden,
    /// It does not exist, or is somebody else's: both look the same.
    NotFound,
    /// The present state does not allow it.
    Conflict,
    /// It contradicts what the caller said before.
    Mismatch,
    /// Too much in too short a time.
    TooMany {
        /// When to try again.
        retry_after: Duration,
    },
    /// Something that we need is away for now.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// Our own fault. The outside message is constant.
    Internal,
}

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name as the contract spells it.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A failure with an outside message and an inside cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    code: &'static str,
    message: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    /// The visitor should be offered a person.
    people: bool,
}

impl Error {
    /// A failure that the caller may read about: `code` is stable, `message` is for people.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
            cause: None,
            people: false,
        }
    }

    /// Our own fault: `context` and `cause` go to the log only.
    pub fn internal(context: &'static str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Internal,
            code: "internal",
            message: context.into(),
            cause: Some(cause.into()),
            people: false,
        }
    }

    /// One field breaks a rule.
    pub fn invalid(field: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let message = format!("{field}: {reason}");
        Self::new(
            Kind::Invalid(vec![FieldError {
                field: field.into(),
                reason,
            }]),
            "invalid_request",
            message,
        )
    }

    /// The thing named is not there for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, "not_found", format!("no such {what}"))
    }

    /// The present state forbids it.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, message)
    }

    /// A needed service is away; `cause` goes to the log.
    pub fn unavailable(
        code: &'static str,
        message: impl Into<String>,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let kind = Kind::Unavailable {
            retry_after: Duration::from_secs(5),
        };
        Self {
            kind,
            code,
            message: message.into(),
            cause: Some(cause.into()),
            people: false,
        }
    }

    /// The same failure for another one who waited for the same work; its causes become one text.
    #[must_use]
    pub fn again(&self) -> Self {
        let story = self.story();
        let causes = story
            .strip_prefix(&self.message)
            .unwrap_or_default()
            .trim_start_matches(": ");
        Self {
            kind: self.kind.clone(),
            code: self.code,
            message: self.message.clone(),
            cause: self.cause.as_ref().map(|_| causes.into()),
            people: self.people,
        }
    }

    /// The same failure, of the kind after which a visitor should be offered a person.
    #[must_use]
    pub fn offering_people(mut self) -> Self {
        self.people = true;
        self
    }

    /// Whether the visitor should be offered a person.
    pub fn offers_people(&self) -> bool {
        self.people
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the caller may read. Constant for our own faults.
    pub fn public_message(&self) -> &str {
        match self.kind {
            Kind::Internal => "something went wrong on our side; the request id leads us to it",
            _ => &self.message,
        }
    }

    /// The whole story with all causes, for the log.
    pub fn story(&self) -> String {
        let mut story = self.message.clone();
        let mut cause: Option<&(dyn StdError + 'static)> = self.cause.as_deref().map(|c| c as _);
        while let Some(inner) = cause {
            story.push_str(": ");
            story.push_str(&inner.to_string());
            cause = inner.source();
        }
        story
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|c| c as _)
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        match error {
            error if is_late(&error) || has_code(&error, &[STOPPED]) => {
                Self::unavailable("database_timeout", "the database does not answer in time", error)
            }
            sea_orm::DbErr::ConnectionAcquire(_) | sea_orm::DbErr::Conn(_) => {
                Self::unavailable("database_unavailable", "the database does not answer", error)
            }
            error if has_code(&error, &GAVE_WAY) => {
                Self::unavailable(BUSY, "others were changing the same; nothing was done", error)
            }
            error if is_lost(&error) || has_code(&error, &AWAY) => {
                Self::unavailable("database_unavailable", "the database does not answer", error)
            }
            _ => Self::internal("database", error),
        }
    }
}

/// Postgres ended the transaction for the sake of others: a deadlock, an order of changes that can't be had, or a lock that they hold for longer than
/// we wait.
const GAVE_WAY: [&str; 3] = ["40P01", "40001", "55P03"];

/// It ends, or has no room, memory or connection left (PostgreSQL manual, appendix A, classes 53 and 57).
const AWAY: [&str; 6] = ["53100", "53200", "53300", "57P01", "57P02", "57P03"];

/// It stopped a statement that took too long.
const STOPPED: &str = "57014";

fn has_code(error: &sea_orm::DbErr, codes: &[&str]) -> bool {
    let code = of_sqlx(error).and_then(|error| error.as_database_error()?.code());
    code.is_some_and(|code| codes.contains(&&*code))
}

/// The connection broke in the middle of a statement.
fn is_lost(error: &sea_orm::DbErr) -> bool {
    of_sqlx(error).is_some_and(|error| matches!(**error, sqlx::Error::Io(_)))
}

/// Nothing came back in the time that there was for it.
fn is_late(error: &sea_orm::DbErr) -> bool {
    let late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut;
    of_sqlx(error).is_some_and(|error| matches!(&**error, sqlx::Error::Io(error) if late(error)))
}

fn of_sqlx(error: &sea_orm::DbErr) -> Option<&Arc<sqlx::Error>> {
    match error {
        sea_orm::DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error))
        | sea_orm::DbErr::Exec(sea_orm::RuntimeErr::SqlxError(error))
        | sea_orm::DbErr::Query(sea_orm::RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal("JSON", error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_faults_tell_the_log_everything_and_the_caller_nothing() {
        let error = Error::internal("reading pages", std::io::Error::other("disk on fire"));
        assert!(!error.public_message().contains("fire"));
        assert_eq!(error.story(), "reading pages: disk on fire");
    }

    #[test]
    fn an_invalid_field_is_named() {
        let error = Error::invalid("domain", "must not be empty");
        assert_eq!(error.public_message(), "domain: must not be empty");
        assert!(matches!(error.kind(), Kind::Invalid(fields) if fields[0].field == "domain"));
    }
}
