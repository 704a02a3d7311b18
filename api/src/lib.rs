//! The HTTP side of Omniops: routes, credentials, problems, live streams, and the files that browsers load.
//!
//! A request passes the middleware (`middleware`), proves who it is (`extractors`), and reaches a handler (`routes`) that
//! extracts, calls one function of `domain`, and maps the answer. The contract is generated from the same code
//! ([`openapi_yaml`]) without any server. `worker` and this crate never see each other.
//!
//! What must stay true: every failure becomes one `application/problem+json` in `error`; nothing here reads the environment
//! or the database by itself.
mod answer;
pub mod assets;
mod connections;
mod context;
mod disk;
mod document;
mod error;
mod extractors;
mod hosts;
mod metrics;
mod middleware;
mod once;
mod openapi;
mod pace;
mod patience;
mod policy;
mod routes;
mod server;

pub use context::{Context, Demo};
pub use error::Problem;
pub use metrics::install as install_metrics;
pub use openapi::openapi_yaml;
pub use pace::Pace;
pub use routes::queue_stats_json;
pub use server::{endpoint, serve, serve_at};
