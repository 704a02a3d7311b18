//! robots.txt by RFC 9309, on top of `texting_robots`.
//!
//! The crate does grouping, longest match and `*`. Four things it does otherwise than the RFC are set right by
//! rewriting the file and the URL into one canonical spelling first (each has a test below):
//! an empty `Disallow:` weighs as much as `/`; a `$` inside a pattern is an anchor; `%62` and `b` differ;
//! `Bot/1.0` is not the product token `Bot`. One pattern too complex for the crate does not void the file.

use std::time::Duration;

use ::url::{Position, Url};
use texting_robots::Robot;

use crate::url::normalize_percent;

/// How much of the file is read; RFC 9309 §2.5 asks for at least 500 KiB.
const MAX_BYTES: usize = 512 * 1024;
/// Longer delays are taken for a mistake, so that one file cannot park a crawl for days.
const MAX_DELAY: Duration = Duration::from_hours(1);

/// The rules of one site for one agent.
#[derive(Debug)]
pub struct Robots {
    rules: Rules,
    sitemaps: Vec<String>,
}

#[derive(Debug)]
enum Rules {
    AllowAll,
    DisallowAll,
    Parsed(Robot),
}

impl Robots {
    /// Reads the answer to `GET /robots.txt` for the crawler whose product token is `agent` (`Bot`, not `Bot/1.0`).
    ///
    /// `status` is the final status after redirects, or `None` when the server could not be reached. RFC 9309 §2.3.1:
    /// 2xx is parsed, 4xx allows everything, 5xx and unreachable forbid everything; 3xx left over after the
    /// redirects that the fetcher follows counts as unavailable, like 4xx.
    #[must_use]
    pub fn from_response(status: Option<u16>, body: &[u8], agent: &str) -> Self {
        match status {
            Some(200..=299) => Self::parse(body, agent),
            Some(300..=499) => Self {
                rules: Rules::AllowAll,
                sitemaps: Vec::new(),
            },
            _ => Self {
                rules: Rules::DisallowAll,
                sitemaps: Vec::new(),
            },
        }
    }

    fn parse(body: &[u8], agent: &str) -> Self {
        let body = &body[..body.len().min(MAX_BYTES)];
        let canonical = canonical_file(body);
        let agent = product_token(agent);
        match Robot::new(agent, canonical.as_bytes()) {
            Ok(robot) => Self {
                sitemaps: robot.sitemaps.clone(),
                rules: Rules::Parsed(robot),
            },
            // Every pattern was tried by itself, so this is a file that no rule can be read from.
            Err(_) => Self {
                rules: Rules::AllowAll,
                sitemaps: Vec::new(),
            },
        }
    }

    /// Whether the agent may fetch the URL. `/robots.txt` itself is always allowed (RFC 9309 §2.2.2).
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        match &self.rules {
            Rules::AllowAll => true,
            Rules::DisallowAll => url.path() == "/robots.txt",
            Rules::Parsed(robot) => robot.allowed(&canonical_path(&url[Position::BeforePath..Position::AfterQuery])),
        }
    }

    /// The pause that the file asks for between two requests (not part of the RFC, widely used); at most an hour.
    #[must_use]
    pub fn crawl_delay(&self) -> Option<Duration> {
        let Rules::Parsed(robot) = &self.rules else { return None };
        let delay = Duration::try_from_secs_f32(robot.delay?).unwrap_or(MAX_DELAY);
        Some(delay.min(MAX_DELAY))
    }

    /// The `Sitemap:` lines, which hold for every agent, as written.
    #[must_use]
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }
}

/// The file again with every rule and agent in canonical spelling; unknown records are dropped.
fn canonical_file(body: &[u8]) -> String {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut out = String::with_capacity(body.len());
    for line in body.split(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let key = String::from_utf8_lossy(&line[..colon]).trim().to_ascii_lowercase();
        let value = line[colon + 1..].trim_ascii();
        match key.as_str() {
            "user-agent" | "useragent" | "user agent" => {
                push_line(&mut out, "User-agent", product_token(&String::from_utf8_lossy(value)));
            }
            "allow" => push_line(&mut out, "Allow", &usable(&canonical_pattern(value), true)),
            // An empty pattern forbids nothing and must not outweigh another rule: it becomes the weakest permission.
            "disallow" | "dissallow" | "disalow" | "dissalow" if value.is_empty() => push_line(&mut out, "Allow", ""),
            "disallow" | "dissallow" | "disalow" | "dissalow" => {
                push_line(&mut out, "Disallow", &usable(&canonical_pattern(value), false));
            }
            // The rest of the line is kept whole: a `#` may be part of nothing but a comment here as well.
            "sitemap" | "site-map" => push_line(&mut out, "Sitemap", &String::from_utf8_lossy(value)),
            "crawl-delay" => push_line(&mut out, "Crawl-delay", &String::from_utf8_lossy(value)),
            _ => {}
        }
    }
    out
}

fn push_line(out: &mut String, key: &str, value: &str) {
    out.push_str(key);
    out.push_str(": ");
    out.push_str(value);
    out.push('\n');
}

/// `Bot/1.0 (+https://…)` names the product `Bot`.
fn product_token(agent: &str) -> &str {
    agent
        .trim()
        .split(|c: char| c == '/' || c.is_whitespace())
        .next()
        .unwrap_or_default()
}

/// The crate compiles anchored patterns with a size limit and gives up the whole file beyond it. Such a rule is
/// widened when it forbids (the anchor goes) and dropped when it permits.
fn usable(pattern: &str, permits: bool) -> String {
    if !pattern.contains('$') || Robot::new("*", format!("Disallow: {pattern}").as_bytes()).is_ok() {
        return pattern.to_owned();
    }
    if permits {
        String::new()
    } else {
        pattern.trim_end_matches('$').to_owned()
    }
}

/// A pattern with `*` and the final `$` as operators and everything else percent-normalised.
fn canonical_pattern(value: &[u8]) -> String {
    let (value, anchored) = match value.strip_suffix(b"$") {
        Some(rest) => (rest, true),
        None => (value, false),
    };
    let parts: Vec<String> = value.split(|byte| *byte == b'*').map(escape).collect();
    let mut out = parts.join("*");
    if anchored {
        out.push('$');
    }
    out
}

/// A path and query in the spelling of [`canonical_pattern`], with literal `*` and `$` escaped.
fn canonical_path(path: &str) -> String {
    escape(path.as_bytes())
}

/// Percent-encodes what is neither unreserved nor reserved in RFC 3986, and `*` and `$`, which are operators here.
fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!&'()+,;=%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    normalize_percent(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(file: &str, path: &str) -> bool {
        let robots = Robots::from_response(Some(200), file.as_bytes(), "ExampleBot");
        robots.allows(&Url::parse("https://e.com").unwrap().join(path).unwrap())
    }

    #[test]
    fn status_decides_first() {
        let url = Url::parse("https://e.com/x").unwrap();
        let body = b"User-agent: *\nDisallow: /";
        assert!(!Robots::from_response(Some(200), body, "b").allows(&url));
        assert!(Robots::from_response(Some(404), body, "b").allows(&url));
        assert!(Robots::from_response(Some(403), body, "b").allows(&url));
        assert!(!Robots::from_response(Some(503), b"", "b").allows(&url));
        assert!(!Robots::from_response(None, b"", "b").allows(&url));
        assert!(Robots::from_response(None, b"", "b").allows(&url.join("/robots.txt").unwrap()));
    }

    #[test]
    fn prefixes_and_longest_match() {
        let file = "User-agent: *\nDisallow: /private\nAllow: /private/open\nAllow: /p\n";
        assert!(!allows(file, "/private/x") && !allows(file, "/private"));
        assert!(allows(file, "/private/open/x") && allows(file, "/other") && allows(file, "/p"));
        assert!(
            allows("User-agent: *\nDisallow: /x\nAllow: /x", "/x"),
            "a tie goes to allow"
        );
    }

    #[test]
    fn wildcards_and_anchor() {
        let file = "User-agent: *\nDisallow: /*.php$\nDisallow: /a*/z\nDisallow: /mid$dle\n";
        assert!(!allows(file, "/x.php") && allows(file, "/x.php?q=1") && allows(file, "/x.php5"));
        assert!(!allows(file, "/abc/z9") && allows(file, "/b/a/z"));
        assert!(!allows(file, "/mid$dle/x"), "only a final $ is an anchor");
    }

    #[test]
    fn groups_merge_and_replace_the_star_group() {
        let file = "User-agent: ExampleBot\nDisallow: /one\n\nUser-agent: other\nUser-agent: EXAMPLEBOT/2.1\nDisallow: /two\n\nUser-agent: *\nDisallow: /three\n";
        assert!(!allows(file, "/one") && !allows(file, "/two") && allows(file, "/three"));
        assert!(allows("User-agent: other\nDisallow: /", "/x"), "no group for us");
        assert!(!allows(
            "User-agent: other\nSitemap: https://e.com/s.xml\nUser-agent: *\nDisallow: /x",
            "/x"
        ));
    }

    #[test]
    fn empty_disallow_is_weaker_than_any_rule() {
        assert!(allows("User-agent: *\nDisallow:", "/x"));
        assert!(!allows("User-agent: *\nDisallow:\nDisallow: /", "/x"));
    }

    #[test]
    fn percent_encoding_is_one_spelling() {
        let file = "User-agent: *\nDisallow: /foo/bar/ツ\nDisallow: /%62%61%7A\nDisallow: /a%3cd\nDisallow: /lit%2A\n";
        assert!(!allows(file, "/foo/bar/%E3%83%84") && !allows(file, "/baz") && !allows(file, "/a%3Cd"));
        assert!(!allows(file, "/lit*x") && allows(file, "/litany"));
        assert!(!allows("User-agent: *\nDisallow: /b%61z", "/%62az"));
    }

    #[test]
    fn bom_comments_delay_and_sitemaps() {
        let body = b"\xef\xbb\xbfUser-agent: * # all\r\nCrawl-delay: 2.5\r\nDisallow: /x # why\r\nSitemap: https://e.com/s.xml\r\n";
        let robots = Robots::from_response(Some(200), body, "ExampleBot");
        assert!(!robots.allows(&Url::parse("https://e.com/x").unwrap()));
        assert_eq!(robots.crawl_delay(), Some(Duration::from_millis(2500)));
        assert_eq!(robots.sitemaps(), ["https://e.com/s.xml"]);
    }

    #[test]
    fn one_monstrous_pattern_does_not_void_the_file() {
        let monster = "/*a".repeat(5000);
        let file = format!("User-agent: *\nDisallow: {monster}$\nDisallow: /private\nCrawl-delay: 1e30\n");
        assert!(!allows(&file, "/private") && allows(&file, "/public"));
        let robots = Robots::from_response(Some(200), file.as_bytes(), "b");
        assert_eq!(robots.crawl_delay(), Some(MAX_DELAY));
    }
}
