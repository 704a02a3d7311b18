//! Logs: one line an event, JSON for machines, text on a terminal.
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
