//! People's sessions, and how long somebody who guesses passwords waits.
use super::Reader;
use std::time::Duration;

/// Accounts of people who administer.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// A session that nobody uses ends after this time.
    pub idle: Duration,
    /// A session ends after this time, whoever uses it.
    pub life: Duration,
    /// So many failed logins in a row cost no wait: for an account, and four times as many for an address.
    pub free_failures: u32,
    /// The first wait; it doubles with each further failure.
    pub block: Duration,
    /// The longest wait.
    pub block_most: Duration,
}

impl AccountsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let config = Self {
            idle: minutes(r.number("ADMIN_SESSION_IDLE_MINUTES", 30, 1..=1440, "30")),
            life: Duration::from_hours(r.number("ADMIN_SESSION_HOURS", 12, 1..=720, "12")),
            free_failures: r.number("LOGIN_FREE_FAILURES", 5, 2..=100, "5"),
            block: Duration::from_secs(r.number("LOGIN_BLOCK_SECONDS", 30, 1..=3600, "30")),
            block_most: Duration::from_secs(r.number("LOGIN_BLOCK_MOST_SECONDS", 900, 1..=86_400, "900")),
        };
        if config.block > config.block_most {
            r.wrong(
                "LOGIN_BLOCK_MOST_SECONDS",
                "must be no less than LOGIN_BLOCK_SECONDS",
                "900",
            );
        }
        config
    }
}
