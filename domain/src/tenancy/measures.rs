//! How long statements take, and how many connections of the pools are in use. Labels are few and fixed: no text of a statement is one.
use metrics::{gauge, histogram};
use sqlx::PgPool;
use std::time::Instant;

/// A statement that runs.
pub(super) struct Running {
    kind: &'static str,
    began: Instant,
}

impl Running {
    /// From now on.
    pub fn begin(sql: &str) -> Self {
        Self {
            kind: kind(sql),
            began: Instant::now(),
        }
    }

    /// It has been answered, well or not. One that nobody waited for to its end is not told.
    pub fn end(self) {
        histogram!("omniops_db_query_duration_seconds", "query" => self.kind)
            .record(self.began.elapsed().as_secs_f64());
    }
}

/// The word that a statement begins with.
fn kind(sql: &str) -> &'static str {
    const KINDS: [&str; 5] = ["select", "insert", "update", "delete", "with"];
    let word = sql.split_whitespace().next().unwrap_or_default();
    KINDS
        .into_iter()
        .find(|kind| word.eq_ignore_ascii_case(kind))
        .unwrap_or("other")
}

/// Sets the gauges of a pool, of whose connections `kept` are out and idle.
pub(super) fn measure(name: &'static str, pool: &PgPool, kept: usize) {
    let (open, idle) = (pool.size() as usize, pool.num_idle() + kept);
    let most = pool.options().get_max_connections();
    let states = [
        ("busy", open.saturating_sub(idle)),
        ("idle", idle),
        ("max", most as usize),
    ];
    for (state, count) in states {
        gauge!("omniops_db_pool", "pool" => name, "state" => state).set(count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_by_its_first_word() {
        let cases = [
            ("\n  SELECT 1", "select"),
            ("with x AS (SELECT 1) SELECT 2", "with"),
            ("SET LOCAL jit = off", "other"),
            ("", "other"),
        ];
        for (sql, want) in cases {
            assert_eq!(kind(sql), want, "{sql}");
        }
    }
}
