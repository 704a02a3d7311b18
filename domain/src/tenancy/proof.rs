//! Proving a domain: its owner publishes the token, we look. Pages of strangers are fetched through the guarded client only.
use egress::{Client, Redirects, Request};
use regex::Regex;
use std::sync::LazyLock;
use url::Url;

use super::{DomainRecord, Proof};
use crate::{Error, Result};

/// Enough for a line of text, and for the head of a page.
const MAX_BYTES: usize = 512 * 1024;

#[expect(clippy::expect_used, reason = "constant patterns, compiled by every test run")]
static META: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?is)<meta\b[^>]*>").expect("a constant pattern"));

/// How the domain proves itself now; a conflict if it does not. Redirects prove nothing: they may lead to another's host.
pub async fn prove(client: &Client, record: &DomainRecord) -> Result<Proof> {
    for scheme in ["https", "http"] {
        if let Some(file) = text(client, &format!("{scheme}://{}/.well-known/omniops.txt", record.host)).await
            && file.lines().any(|line| line.trim() == record.token)
        {
            return Ok(Proof::File);
        }
        if let Some(page) = text(client, &format!("{scheme}://{}/", record.host)).await
            && has_meta(&page, &record.token)
        {
            return Ok(Proof::Meta);
        }
    }
    Err(Error::conflict(
        "domain_not_proved",
        format!(
            "neither /.well-known/omniops.txt nor the home page of {} shows the token",
            record.host
        ),
    ))
}

async fn text(client: &Client, url: &str) -> Option<String> {
    let request = Request::get(Url::parse(url).ok()?)
        .redirects(Redirects::Manual)
        .max_body_bytes(MAX_BYTES);
    match client.fetch(request).await {
        Ok(answer) if answer.status.is_success() => Some(String::from_utf8_lossy(&answer.body).into_owned()),
        Ok(_) => None,
        Err(error) => {
            tracing::info!(%error, url, "a domain's proof can't be fetched");
            None
        }
    }
}

/// Whether one `<meta>` names us and carries the token.
fn has_meta(page: &str, token: &str) -> bool {
    META.find_iter(page)
        .any(|tag| tag.as_str().contains("omniops-verification") && tag.as_str().contains(token))
}

#[cfg(test)]
mod tests {
    use super::has_meta;

    #[test]
    fn the_token_counts_only_in_our_own_meta_element() {
        assert!(has_meta(
            "<head><META content='t0k' name=omniops-verification></head>",
            "t0k"
        ));
        assert!(!has_meta(
            "<meta name='omniops-verification' content='other'>t0k",
            "t0k"
        ));
        assert!(!has_meta("<meta name='description' content='t0k'>", "t0k"));
    }
}
