//! How a run can end, and what the ledger records of it: the state, the wait before the next try, the event.
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

use super::Lease;

/// Why a job ended badly: a stable code and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl JobError {
    /// An error with a stable code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }

    /// As it is kept and told.
    pub(super) fn told(&self, attempts: i32) -> Value {
        json!({ "code": self.code, "message": self.message, "attempt": attempts })
    }
}

/// No other side makes a job wait longer.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Share of a wait that was asked for by which the job comes later at most.
const LATER: f64 = 0.2;

/// Why a job that gave way waits again.
const GAVE_WAY: &str = "it gave way";

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With this result.
    Done(Value),
    /// It may work later: after this time, and no sooner than by the [`Backoff`] of the error's code.
    Retry(JobError, Option<Duration>),
    /// It crashed, by a fault of ours: it runs again, until it has used up its starts.
    Fault(JobError),
    /// It will never work.
    Fail(JobError),
    /// Somebody asked for it.
    Cancelled,
    /// The process is stopping: somebody else goes on where we are, at once.
    HandBack,
    /// A person must confirm before it goes on; with what they judge by.
    Hold(Value),
    /// It gives way: somebody goes on after this time, with zero as soon as the dispatcher comes to it behind all that waits.
    Later(Duration),
}

/// One row's worth of an ending.
pub(super) struct Ending {
    pub state: &'static str,
    pub event: &'static str,
    delay: Option<Duration>,
    pub attempts: i32,
    result: Option<Value>,
    error: Option<JobError>,
    pub fault: bool,
    reason: Option<&'static str>,
}

impl Ending {
    pub fn of(outcome: &Outcome, lease: Lease) -> Self {
        let end = |state, event| Self {
            state,
            event,
            delay: None,
            attempts: lease.attempts,
            result: None,
            error: None,
            fault: false,
            reason: None,
        };
        match outcome {
            Outcome::Done(result) => Self {
                result: Some(result.clone()),
                ..end("done", "done")
            },
            Outcome::Fault(error) => Self {
                error: Some(error.clone()),
                delay: Some(Backoff::after(&error.code).delay(0)),
                fault: true,
                ..end("scheduled", "retry")
            },
            Outcome::Fail(error) => Self {
                error: Some(error.clone()),
                ..end("failed", "failed")
            },
            Outcome::Cancelled => end("cancelled", "cancelled"),
            Outcome::HandBack => end("queued", "queued"),
            Outcome::Hold(why) => Self {
                result: Some(why.clone()),
                ..end("needs_confirmation", "needs_confirmation")
            },
            Outcome::Later(Duration::ZERO) => Self {
                reason: Some(GAVE_WAY),
                ..end("queued", "queued")
            },
            Outcome::Later(after) => Self {
                delay: Some(*after),
                reason: Some(GAVE_WAY),
                ..end("scheduled", "scheduled")
            },
            // An outage of our own says nothing about the job.
            Outcome::Retry(error, after) if OURS.contains(&error.code.as_str()) => Self {
                error: Some(error.clone()),
                delay: Some(wait(error, *after, lease.attempts)),
                ..end("scheduled", "retry")
            },
            Outcome::Retry(error, _) if lease.attempts + 1 >= lease.max_attempts => Self {
                error: Some(error.clone()),
                attempts: lease.attempts + 1,
                ..end("dead", "dead")
            },
            Outcome::Retry(error, after) => Self {
                error: Some(error.clone()),
                attempts: lease.attempts + 1,
                delay: Some(wait(error, *after, lease.attempts)),
                ..end("scheduled", "retry")
            },
        }
    }

    /// The result as JSON; empty for none.
    pub fn result(&self) -> String {
        self.result.as_ref().map(text).unwrap_or_default()
    }

    /// The error as JSON; empty for none.
    pub fn error(&self) -> String {
        self.told().as_ref().map(text).unwrap_or_default()
    }

    /// From now until it is due again; 0 if it never is, or at once.
    pub fn delay_ms(&self) -> i64 {
        self.delay.map_or(0, |delay| in_ms(delay) as i64)
    }

    fn told(&self) -> Option<Value> {
        self.error.as_ref().map(|error| error.told(self.attempts))
    }

    /// What the event tells, as JSON.
    pub fn data(&self) -> String {
        let mut data = Map::new();
        let wait = if self.error.is_some() { "retry_in_ms" } else { "in_ms" };
        let told = [
            ("error", self.told()),
            (wait, self.delay.map(|d| in_ms(d).into())),
            ("result", self.result.clone()),
            ("reason", self.reason.map(Value::from)),
        ];
        data.extend(
            told.into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        text(&Value::Object(data))
    }
}

/// What the error's code says; or what the other side asked for, within reason, where that is longer: a short wish would use up all tries
/// within seconds. Some longer than asked, so that those who were told the same do not return together.
fn wait(error: &JobError, asked: Option<Duration>, attempts: i32) -> Duration {
    let ours = Backoff::after(&error.code).delay(attempts);
    let asked = asked.unwrap_or_default().min(LONGEST_WAIT);
    if asked > ours {
        asked.mul_f64(1.0 + rand::rng().random_range(0.0..LATER))
    } else {
        ours
    }
}

/// As Postgres takes it.
fn text(value: &Value) -> String {
    let text = value.to_string();
    if text.contains("\\u0000") {
        printable(value.clone()).to_string()
    } else {
        text
    }
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Postgres stores no NUL in text or JSON; a page's text may have one.
pub(super) fn printable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(printable).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name.replace('\0', "\u{fffd}"), printable(field)))
            .collect(),
        other => other,
    }
}

/// Errors of our own services. They pass, and are not counted as attempts. A statement that takes too long is not among them: it may do so each
/// time, and says as much about its job as about the database.
const OURS: [&str; 3] = ["database_unavailable", "database_busy", "redis_unavailable"];

/// How the waits before retries grow: doubling from `first` up to `most`, each with a random half, so that what failed
/// together does not return together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// By what went wrong: our own database and Redis are back within seconds, a site or a provider may need a while.
    fn after(code: &str) -> Self {
        let (first, most) = match code {
            ours if OURS.contains(&ours) => (1, 30),
            "rate_limited"
            | "site_busy"
            | "site_unavailable"
            | "embedding_busy"
            | "embedding_unavailable"
            | "store_busy"
            | "store_unreachable"
            | "store_timeout"
            | "store_failing"
            | "database_timeout" => (10, 900),
            // Twelve tries of these last for more than eight hours.
            "receiver_busy" | "receiver_unavailable" | "mail_unavailable" => (30, 4 * 3600),
            _ => (2, 300),
        };
        Self {
            first: Duration::from_secs(first),
            most: Duration::from_secs(most),
        }
    }

    fn delay(self, attempts: i32) -> Duration {
        let full = (self.first * 2u32.pow(attempts.clamp(0, 10) as u32)).min(self.most);
        full.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn lease(attempts: i32) -> Lease {
        Lease {
            job: Uuid::nil(),
            token: Uuid::nil(),
            attempts,
            max_attempts: 5,
        }
    }

    #[test]
    fn a_retry_waits_longer_each_time_and_ends_as_a_dead_letter() {
        let retry = Outcome::Retry(JobError::new("http", "503"), None);
        let (first, fourth) = (Ending::of(&retry, lease(0)), Ending::of(&retry, lease(3)));
        let first_delay = first.delay.unwrap();
        assert!(first_delay >= Duration::from_secs(1) && first_delay <= Duration::from_secs(2));
        assert!(fourth.delay.unwrap() >= Duration::from_secs(8));
        assert_eq!((first.state, first.attempts), ("scheduled", 1));
        assert_eq!(Ending::of(&retry, lease(4)).state, "dead");
    }

    #[test]
    fn a_wait_that_the_other_side_asked_for_is_kept_and_not_by_all_to_the_same_moment() {
        let delay = |asked| {
            let retry = Outcome::Retry(JobError::new("rate_limited", "slow down"), Some(asked));
            Ending::of(&retry, lease(0)).delay.unwrap()
        };
        let asked = Duration::from_secs(77);
        let delays: Vec<Duration> = (0..50).map(|_| delay(asked)).collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(*least >= asked && *most <= asked.mul_f64(1.0 + LATER) && most > least);
        let absurd = delay(Duration::MAX);
        assert!(absurd >= LONGEST_WAIT && absurd <= LONGEST_WAIT.mul_f64(1.0 + LATER));
    }

    /// A receiver that is down for the night often says `Retry-After: 1`, or 0.
    #[test]
    fn a_short_wait_that_is_asked_for_uses_up_no_tries_in_seconds() {
        for asked in [0, 1].map(Duration::from_secs) {
            let error = JobError::new("receiver_busy", "503");
            let all: Duration = (0..11).map(|attempts| wait(&error, Some(asked), attempts)).sum();
            assert!(all > Duration::from_hours(4), "{all:?}");
        }
    }

    #[test]
    fn an_outage_of_ours_uses_up_no_attempts() {
        for code in OURS {
            let outage = Outcome::Retry(JobError::new(code, "away"), None);
            let end = Ending::of(&outage, lease(4));
            assert_eq!((end.state, end.attempts), ("scheduled", 4));
        }
    }

    #[test]
    fn statements_of_a_job_that_take_too_long_each_time_make_a_dead_letter() {
        let late = Outcome::Retry(JobError::new("database_timeout", "too long"), None);
        let (first, last) = (Ending::of(&late, lease(0)), Ending::of(&late, lease(4)));
        assert_eq!((first.state, first.attempts, last.state), ("scheduled", 1, "dead"));
        assert!(first.delay.unwrap() >= Duration::from_secs(5));
    }

    #[test]
    fn what_went_wrong_decides_how_long_to_wait() {
        let ours = Backoff::after("database_unavailable");
        for code in [
            "site_busy",
            "site_unavailable",
            "embedding_busy",
            "embedding_unavailable",
            "store_busy",
            "store_unreachable",
            "store_timeout",
            "store_failing",
        ] {
            let theirs = Backoff::after(code);
            for attempts in 0..12 {
                assert!(ours.delay(attempts) <= ours.most && theirs.delay(attempts) <= theirs.most);
                assert!(ours.delay(attempts) < theirs.delay(attempts), "{code}");
            }
        }
    }

    #[test]
    fn a_text_with_a_nul_can_be_stored() {
        let result = printable(json!({ "title": "a\0b", "list": ["\0", { "na\0me": 1 }] }));
        let stored = json!({ "title": "a\u{fffd}b", "list": ["\u{fffd}", { "na\u{fffd}me": 1 }] });
        assert_eq!(result, stored);
    }
}
