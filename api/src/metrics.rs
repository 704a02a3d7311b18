//! Measurements, under the names that the dashboards know.
use metrics::{counter, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use poem::http::{Method, StatusCode};
use std::time::{Duration, Instant};

const CHAT: &str = "omniops_chat_duration_seconds";
/// Seconds until a visitor sees text.
const FIRST_TOKEN: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];
/// How long samples of histograms wait.
const UPKEEP: Duration = Duration::from_secs(5);
const HTTP: &str = "omniops_http_duration_seconds";

/// Installs the process's recorder. A process has one; a second call is an error.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(CHAT.into()), &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0])?
        .set_buckets_for_metric(
            Matcher::Full(HTTP.into()),
            &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0],
        )?
        .set_buckets_for_metric(Matcher::Suffix("first_token_seconds".into()), &FIRST_TOKEN)?
        .set_buckets_for_metric(
            Matcher::Full("omniops_llm_duration_seconds".into()),
            &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0],
        )?
        .set_buckets_for_metric(
            Matcher::Full("omniops_search_duration_seconds".into()),
            &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0],
        )?
        .set_buckets_for_metric(
            Matcher::Full("omniops_db_query_duration_seconds".into()),
            &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0],
        )?
        .install_recorder()?;
    keep_up(handle.clone());
    Ok(handle)
}

/// What histograms were told waits in memory until somebody asks for it. Where nobody does, it is counted here, for as long as the
/// process lives.
fn keep_up(handle: PrometheusHandle) {
    let work = move || {
        loop {
            std::thread::sleep(UPKEEP);
            handle.run_upkeep();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("metrics".to_owned()).spawn(work) {
        tracing::warn!(%error, "nobody counts what histograms are told before they are asked for");
    }
}

/// One answered request. `route` is the pattern, never the path.
pub fn request(route: &str, method: &Method, status: StatusCode, took: Duration) {
    // Methods are the caller's text: only the known ones become a label.
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let status = status.as_u16().to_string();
    counter!("omniops_http_requests_total", "route" => route.to_owned(), "method" => method, "status" => status)
        .increment(1);
    histogram!(HTTP, "route" => route.to_owned()).record(took.as_secs_f64());
}

/// The time from a question to the first text of its answer, as a reader of the stream sees it.
pub fn first_token(took: Duration) {
    histogram!("omniops_chat_first_token_seconds").record(took.as_secs_f64());
}

/// One question. Counted when dropped, so that a visitor who leaves is counted as well.
pub struct Chat {
    domain: String,
    status: &'static str,
    began: Instant,
}

impl Chat {
    /// A question to a customer's pages begins.
    pub fn begin(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            status: "abandoned",
            began: Instant::now(),
        }
    }

    /// How it ended: `answered`, `refused` or `failed`.
    pub fn end(&mut self, status: &'static str) {
        self.status = status;
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        let domain = self.domain.clone();
        counter!("omniops_chat_requests_total", "domain" => domain.clone(), "status" => self.status).increment(1);
        histogram!(CHAT, "domain" => domain).record(self.began.elapsed().as_secs_f64());
    }
}
