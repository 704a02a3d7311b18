//! Proof on the site itself: a file under `/.well-known/`, or an element in the head of the home page.
//!
//! The pages are strangers', so every hop goes through the guarded client, and a redirect is followed only within the host
//! (with or without `www.`) and never out of TLS: another host's page proves nothing about this one. Plain HTTP is asked where TLS
//! can't be had at all.
use egress::{Client, Redirects, Request, Response};
use http::{StatusCode, header};
use std::time::Duration;
use url::Url;

use super::{Finding, HostName, MARK, is_marked};

/// Room for a file of some lines, and for a large home page.
const FILE_BYTES: usize = 64 * 1024;
const PAGE_BYTES: usize = 2 * 1024 * 1024;
const LINES: usize = 64;
const HOPS: usize = 5;
/// All requests for one place together.
const TOTAL: Duration = Duration::from_secs(20);

/// Whether a line of `/.well-known/omniops.txt` is the token, alone or with its mark.
pub(super) async fn file_shows(client: &Client, host: &HostName, token: &str) -> Finding {
    let answer = match read(client, host, "/.well-known/omniops.txt", FILE_BYTES).await {
        Ok(answer) => answer,
        Err(finding) => return finding,
    };
    if content_type(&answer).is_some_and(|kind| kind.to_ascii_lowercase().contains("html")) {
        return Finding::Absent("/.well-known/omniops.txt is a web page".into());
    }
    let text = String::from_utf8_lossy(&answer.body);
    let mut lines = text.trim_start_matches('\u{feff}').lines().take(LINES);
    if lines.any(|line| line.trim() == token || is_marked(line, token)) {
        Finding::Shown
    } else {
        Finding::Absent("/.well-known/omniops.txt has another text".into())
    }
}

/// Whether the head of the home page has `<meta name="omniops-verification" content="TOKEN">`.
pub(super) async fn page_shows(client: &Client, host: &HostName, token: &str) -> Finding {
    let answer = match read(client, host, "/", PAGE_BYTES).await {
        Ok(answer) => answer,
        Err(finding) => return finding,
    };
    let reading = tokio::task::spawn_blocking(move || {
        extract::page::head_metas(&answer.body, content_type(&answer), MARK).map_err(|error| error.to_string())
    });
    match reading.await {
        Ok(Ok(metas)) if metas.iter().any(|content| content.trim() == token) => Finding::Shown,
        Ok(Ok(_)) => Finding::Absent(format!(
            "the home page has no <meta name=\"{MARK}\"> with it in its head"
        )),
        Ok(Err(error)) => Finding::Unknown(format!("the home page can't be read: {error}")),
        Err(error) => Finding::Unknown(format!("the home page can't be read: {error}")),
    }
}

fn content_type(answer: &Response) -> Option<&str> {
    answer.headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

/// A 2xx answer of the host, or what another one means.
async fn read(client: &Client, host: &HostName, path: &str, most: usize) -> Result<Response, Finding> {
    let away = || Finding::Unknown(format!("{path} can't be reached from here"));
    let both = async {
        match follow(client, host, "https", path, most).await {
            Err(Failed::Away) => follow(client, host, "http", path, most).await,
            other => other,
        }
    };
    let answer = tokio::time::timeout(TOTAL, both).await.map_err(|_| away())?;
    let answer = answer.map_err(|failed| match failed {
        Failed::Away => away(),
        Failed::Elsewhere(told) => Finding::Absent(format!("{path} {told}")),
        Failed::TooLarge => Finding::Unknown(format!("{path} has more than {most} bytes")),
    })?;
    let status = answer.status;
    if status.is_success() {
        Ok(answer)
    } else if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        Err(Finding::Absent(format!("{path} answers {}", status.as_u16())))
    } else {
        Err(Finding::Unknown(format!("{path} answers {}", status.as_u16())))
    }
}

/// Why there is no last answer.
enum Failed {
    Away,
    Elsewhere(String),
    TooLarge,
}

async fn follow(client: &Client, host: &HostName, scheme: &str, path: &str, most: usize) -> Result<Response, Failed> {
    let mut url = Url::parse(&format!("{scheme}://{host}{path}")).map_err(|_| Failed::Away)?;
    for _ in 0..=HOPS {
        let request = Request::get(url.clone())
            .redirects(Redirects::Manual)
            .max_body_bytes(most);
        let answer = client.fetch(request).await.map_err(|error| {
            tracing::info!(%error, %url, "a domain's proof can't be fetched");
            match error {
                egress::Error::TooLarge { .. } => Failed::TooLarge,
                _ => Failed::Away,
            }
        })?;
        let Some(next) = target(&answer) else { return Ok(answer) };
        if next.scheme() == "http" && url.scheme() == "https" {
            return Err(Failed::Elsewhere("redirects from https to http".into()));
        }
        if HostName::of(&next).is_none_or(|other| bare(&other) != bare(host)) {
            return Err(Failed::Elsewhere("redirects to another host".into()));
        }
        url = next;
    }
    Err(Failed::Elsewhere(format!("redirects more than {HOPS} times")))
}

fn target(answer: &Response) -> Option<Url> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers.get(header::LOCATION)?;
    answer.url.join(&String::from_utf8_lossy(location.as_bytes())).ok()
}

fn bare(host: &HostName) -> &str {
    let host = host.as_str();
    host.strip_prefix("www.").unwrap_or(host)
}
