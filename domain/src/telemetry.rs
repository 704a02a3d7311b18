//! Logs: one line an event, JSON for machines, text on a terminal. Measurements that more than one place takes.
use std::time::Instant;

use crate::config::{LogConfig, LogFormat};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Installs the process's log output on standard error. A second call changes nothing.
pub fn install(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let on_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(on_terminal);
    let registry = tracing_subscriber::registry().with(filter);
    // The second subscriber of a process is refused, which is what a test binary with many tests wants.
    let _ = match config.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(lines.with_target(false)).try_init(),
    };
}

/// What a provider's model has read to make vectors.
pub fn embedded(model: &str, spent: embedding::Spent) {
    metrics::counter!("omniops_embedding_tokens_total", "model" => model.to_owned()).increment(spent.tokens);
}

/// What a customer's vectors have cost, on top of what its answers do; `domain` as figures name it.
pub fn paid(domain: String, usd: f64) {
    metrics::gauge!("omniops_cost_usd_total", "domain" => domain).increment(usd);
}

/// How long a search took, from the question to its passages; `mode` is what was really used.
pub fn searched(mode: &'static str, began: Instant) {
    metrics::histogram!("omniops_search_duration_seconds", "mode" => mode).record(began.elapsed().as_secs_f64());
}
