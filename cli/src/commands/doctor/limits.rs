//! Whether limits of requests count whom they should.
use super::Finding;
use domain::config::Config;

const WHAT: &str = "limits of requests";

pub fn check(config: &Config) -> Finding {
    if !config.limits.enabled {
        return Finding::note(WHAT, "LIMITS is off: nobody is held against any");
    }
    // The API speaks no TLS, so somebody before it does.
    if config.http.public_url.starts_with("https:") && config.edge.trusted_proxies.is_empty() {
        let text = "PUBLIC_URL is https, so a proxy stands before the API, and TRUSTED_PROXIES names none: all visitors share \
                    the proxy's address and its limits; name the addresses that the proxy connects from";
        return Finding::mend(WHAT, text);
    }
    Finding::good(WHAT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    fn told(changes: &[(&str, &str)]) -> String {
        let needed = [
            ("DATABASE_URL", "postgres://omniops@localhost/omniops"),
            ("REDIS_URL", "redis://localhost"),
            ("ENCRYPTION_KEY", "0123456789abcdef0123456789abcdef"),
            ("OMNIOPS_ADMIN_TOKEN", "a-token-of-at-least-32-characters"),
            ("CRON_SECRET", "a-secret-of-at-least-32-characters"),
        ];
        let variables = needed
            .iter()
            .chain(changes)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        match check(&Config::from_map(&variables.collect()).unwrap()).verdict {
            Verdict::Good => String::new(),
            Verdict::Note(text) | Verdict::Mend(text) => text,
        }
    }

    #[test]
    fn a_proxy_that_hides_all_visitors_is_told_of() {
        let public = ("PUBLIC_URL", "https://help.example");
        assert_eq!(told(&[]), "");
        assert!(told(&[public]).contains("TRUSTED_PROXIES"));
        assert_eq!(told(&[public, ("TRUSTED_PROXIES", "127.0.0.1")]), "");
        assert!(told(&[("LIMITS", "off")]).contains("LIMITS is off"));
    }
}
