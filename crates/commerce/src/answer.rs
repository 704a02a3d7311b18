//! Answers of a shop, read without trust in their shape: what is not there, or is of another type, is nothing.
use egress::Response;
use http::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use url::Url;

use crate::{Error, Result, text::plain};

/// A shop that does not say for how long it is busy is left alone so long; and never longer than the longest.
const USUAL_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Longest text that is taken over of an error, in characters.
const TOLD: usize = 200;

/// What every shop's answer may be besides an answer.
pub(crate) fn refuse(response: &Response) -> Result<()> {
    let status = response.status;
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::ACCEPTED => Err(Error::Busy {
            retry_after: retry_after(response),
        }),
        _ if status.is_redirection() => Err(Error::Moved(origin_of_location(response))),
        _ if status.is_server_error() => Err(Error::Failing(format!("status {}", status.as_u16()))),
        _ => Ok(()),
    }
}

/// The body as JSON.
pub(crate) fn json(response: &Response) -> Result<Value> {
    serde_json::from_slice(&response.body)
        .map_err(|_| Error::Unreadable(format!("status {} without JSON", response.status.as_u16())))
}

/// The products of a list.
pub(crate) fn products(list: &Value) -> Result<&Vec<Value>> {
    let rows = list.as_array();
    rows.ok_or_else(|| Error::Unreadable("it is no list of products".into()))
}

fn retry_after(response: &Response) -> Duration {
    let value = response
        .headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    // The other form, a date, is rare and needs a clock; half a minute does as well.
    let seconds = value
        .and_then(|value| value.trim().parse::<f64>().ok())
        .filter(|seconds| *seconds >= 0.0);
    seconds.map_or(USUAL_WAIT, |seconds| {
        Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()))
    })
}

/// Where a redirect leads, without path and query: those may repeat credentials.
fn origin_of_location(response: &Response) -> String {
    let location = response
        .headers
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| response.url.join(location).ok());
    target.map_or_else(
        || "another address".to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

/// A text that is not empty; numbers count as texts.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A name: one line, without markup.
pub(crate) fn name(value: &Value) -> Option<String> {
    let name = plain(&text(value)?).replace('\n', " ");
    (!name.is_empty()).then_some(name)
}

/// An `http` or `https` address.
pub(crate) fn url(value: &Value) -> Option<Url> {
    let url = Url::parse(value.as_str()?).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()).then_some(url)
}

/// The elements of a list.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A message of the shop, cut; without what opens the shop, which some repeat to whoever has sent it.
pub(crate) fn told(value: &Value, secrets: &[SecretString]) -> String {
    let told = name(value).unwrap_or_default();
    let secrets = secrets
        .iter()
        .map(SecretString::expose_secret)
        .filter(|secret| !secret.is_empty());
    let told = secrets.fold(told, |told, secret| told.replace(secret, "[secret]"));
    told.chars().take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_lose_markup_and_entities_and_nothing_else() {
        assert_eq!(
            name(&json!(" <b>Mug</b> &amp; Saucer ")).as_deref(),
            Some("Mug & Saucer")
        );
        assert_eq!(name(&json!("5 &lt; 6")).as_deref(), Some("5 < 6"));
        assert_eq!(name(&json!("&amp;lt;")).as_deref(), Some("&lt;"));
        assert_eq!(name(&json!("<img src=x onerror=alert(1)>")), None);
        assert_eq!((name(&json!(null)), name(&json!(12)).as_deref()), (None, Some("12")));
    }

    #[test]
    fn what_a_shop_repeats_of_its_secrets_is_not_told() {
        let secrets = [SecretString::from("cs_0123456789"), SecretString::from("")];
        assert_eq!(
            told(&json!("No such key: cs_0123456789."), &secrets),
            "No such key: [secret]."
        );
        let long = format!("{}cs_0123456789", "x".repeat(TOLD - 5));
        assert!(!told(&json!(long), &secrets).contains("cs_"), "nor a part of it");
    }

    #[test]
    fn only_web_addresses_without_credentials_are_addresses() {
        assert!(url(&json!("https://shop.example/p")).is_some());
        for bad in [
            json!("javascript:alert(1)"),
            json!("https://a:b@shop.example/"),
            json!("/p"),
            json!(1),
        ] {
            assert_eq!(url(&bad), None);
        }
    }
}
