//! The wall clock, passed in where behaviour depends on it. Leases and schedules use the database's clock instead, since
//! it is the one clock that all processes share.
use std::sync::Arc;
use time::OffsetDateTime;

/// Tells the time; tests pass one that stands still.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the substitute that the ban names")]
    pub fn system() -> Self {
        Self(Arc::new(OffsetDateTime::now_utc))
    }

    /// A clock that always says `at`.
    pub fn fixed(at: OffsetDateTime) -> Self {
        Self::told_by(move || at)
    }

    /// A clock that says what `tell` says.
    pub fn told_by(tell: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The present moment in UTC.
    pub fn now(&self) -> OffsetDateTime {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
