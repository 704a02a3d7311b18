//! When to try again.
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The longest pause that is not the provider's own wish.
const LONGEST: Duration = Duration::from_secs(10);

/// A random pause before try `attempt` + 1, up to `first` × 2^(attempt - 1): "full jitter", which spreads callers that failed
/// together the best (M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015).
pub fn pause(first: Duration, attempt: u32) -> Duration {
    let most = first
        .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
        .min(LONGEST);
    most.mul_f64(rand::random::<f64>())
}

/// The longest wait that is believed.
const DAY: Duration = Duration::from_hours(24);

/// `Retry-After` (RFC 9110 §10.2.3) as seconds or as a date; a date that has passed is no wait.
pub fn wish(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(DAY));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn told(text: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
        wish(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn a_wish_is_seconds_or_a_date() {
        assert_eq!(told("7"), Some(Duration::from_secs(7)));
        assert_eq!(told("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(told("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(told("18446744073709551615"), Some(DAY));
        assert_eq!(told("Fri, 31 Dec 9999 23:59:59 GMT"), Some(DAY));
        assert_eq!(told("soon"), None);
        assert_eq!(told("-1"), None);
        assert_eq!(told("99999999999999999999999"), None);
    }

    #[test]
    fn pauses_are_random_below_a_limit_that_doubles() {
        let first = Duration::from_millis(100);
        for (attempt, most) in [(1, 100), (2, 200), (3, 400), (40, 10_000)] {
            let pauses: Vec<Duration> = (0..64).map(|_| pause(first, attempt)).collect();
            assert!(pauses.iter().all(|p| *p <= Duration::from_millis(most)));
            assert!(pauses.windows(2).any(|two| two[0] != two[1]), "all alike: {pauses:?}");
        }
    }
}
