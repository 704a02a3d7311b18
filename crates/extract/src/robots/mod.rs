//! robots.txt by RFC 9309, read as tolerantly as the large search engines read it.
//!
//! Written here because the crates at hand give up the whole file for one strange rule, compile a regular expression for
//! each anchored one, or take `/` for `Disallow:`. Reading takes one pass; a file is read up to [`MAX_BYTES`] and cut at a
//! line, since half a pattern means something else than the whole.

mod pattern;

use std::time::Duration;

use ::url::{Position, Url};

use crate::page::decode;
use pattern::Rules;

/// How much of the file is read; RFC 9309 §2.5 asks for at least 500 KiB.
pub const MAX_BYTES: usize = 512 * 1024;
/// Longer delays are taken for a mistake, so that one file cannot park a crawl for days.
const MAX_DELAY: Duration = Duration::from_hours(1);
/// Most sitemaps taken of one file.
const MAX_SITEMAPS: usize = 1000;

/// The rules of one site for one agent.
#[derive(Debug)]
pub struct Robots {
    verdict: Verdict,
    delay: Option<Duration>,
    sitemaps: Vec<String>,
}

#[derive(Debug)]
enum Verdict {
    AllowAll,
    DisallowAll,
    Rules(Rules),
}

impl Robots {
    /// Reads the answer to `GET /robots.txt` for the crawler whose product token is `agent` (`Bot`, not `Bot/1.0`).
    ///
    /// `status` is the final status after redirects, or `None` when the server could not be reached. RFC 9309 §2.3.1:
    /// 2xx is parsed, 4xx allows everything, 5xx and unreachable forbid everything; 3xx left over after the
    /// redirects that the fetcher follows counts as unavailable, like 4xx.
    #[must_use]
    pub fn from_response(status: Option<u16>, body: &[u8], agent: &str) -> Self {
        let verdict = match status {
            Some(200..=299) => return Self::parse(body, agent),
            Some(300..=499) => Verdict::AllowAll,
            _ => Verdict::DisallowAll,
        };
        Self {
            verdict,
            delay: None,
            sitemaps: Vec::new(),
        }
    }

    fn parse(body: &[u8], agent: &str) -> Self {
        let wide;
        let body = match body {
            // UTF-16, as an editor of another age saved it.
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                wide = decode(&body[..body.len().min(2 * MAX_BYTES)], None, None);
                cut(wide.as_bytes())
            }
            _ => cut(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)),
        };
        let mut reader = Reader::new(product_token(agent));
        body.split(|byte| matches!(byte, b'\n' | b'\r' | 0))
            .for_each(|line| reader.line(line));
        reader.finish()
    }

    /// Whether the agent may fetch the URL. `/robots.txt` itself is always allowed (RFC 9309 §2.2.2).
    #[must_use]
    pub fn allows(&self, url: &Url) -> bool {
        url.path() == "/robots.txt"
            || match &self.verdict {
                Verdict::AllowAll => true,
                Verdict::DisallowAll => false,
                Verdict::Rules(rules) => rules.allow(&url[Position::BeforePath..Position::AfterQuery]),
            }
    }

    /// The pause that the file asks for between two requests (not part of the RFC, widely used); at most an hour.
    #[must_use]
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.delay
    }

    /// The `Sitemap:` lines, which hold for every agent, as written; some sites give relative addresses.
    #[must_use]
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }
}

/// The part of a file that is read: whole lines only.
fn cut(body: &[u8]) -> &[u8] {
    if body.len() <= MAX_BYTES {
        return body;
    }
    let head = &body[..MAX_BYTES];
    let end = head
        .iter()
        .rposition(|byte| matches!(byte, b'\n' | b'\r'))
        .unwrap_or_default();
    &head[..end]
}

/// What a group says.
#[derive(Default)]
struct Group<'a> {
    named: bool,
    rules: Vec<(&'a [u8], bool)>,
    delay: Option<Duration>,
}

/// A group that is being read.
#[derive(Default)]
struct Open {
    /// Whether it names us.
    own: bool,
    /// Whether it names everybody.
    others: bool,
    /// Whether it has a rule, so that another agent begins a new one.
    has_rules: bool,
}

/// Reads line after line. Groups that name the same agent are one (RFC 9309 §2.2.1); a record that the RFC does not know
/// neither begins nor ends a group.
struct Reader<'a> {
    agent: &'a str,
    /// Our own groups, and those for everybody else.
    own: Group<'a>,
    others: Group<'a>,
    /// The group that the next rule belongs to.
    open: Option<Open>,
    /// A delay before any group is meant for everybody.
    delay: Option<Duration>,
    sitemaps: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(agent: &'a str) -> Self {
        Self {
            agent,
            own: Group::default(),
            others: Group::default(),
            open: None,
            delay: None,
            sitemaps: Vec::new(),
        }
    }

    fn line(&mut self, line: &'a [u8]) {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
        // A missing colon is forgiven where a space stands in its place.
        let separator = line.iter().position(|byte| *byte == b':');
        let separator = separator.or_else(|| line.iter().position(u8::is_ascii_whitespace));
        let Some(separator) = separator else { return };
        let (key, value) = (line[..separator].trim_ascii(), line[separator + 1..].trim_ascii());
        let is = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name.as_bytes()));
        if is(&["user-agent", "useragent", "user agent"]) {
            self.agent(value);
        } else if is(&["disallow", "dissallow", "disalow", "dissalow", "diasllow", "disallaw"]) {
            self.rule(value, false);
        } else if is(&["allow"]) {
            self.rule(value, true);
        } else if is(&["crawl-delay", "crawldelay"]) {
            self.crawl_delay(value);
        } else if is(&["sitemap", "site-map"]) && self.sitemaps.len() < MAX_SITEMAPS && !value.is_empty() {
            self.sitemaps.push(String::from_utf8_lossy(value).into_owned());
        }
    }

    fn agent(&mut self, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        let token = product_token(&value);
        let mut open = self.open.take().filter(|open| !open.has_rules).unwrap_or_default();
        open.own |= token.eq_ignore_ascii_case(self.agent);
        open.others |= token == "*";
        self.own.named |= open.own;
        self.open = Some(open);
    }

    fn rule(&mut self, pattern: &'a [u8], allows: bool) {
        let Some(open) = &mut self.open else { return };
        open.has_rules = true;
        if open.own {
            self.own.rules.push((pattern, allows));
        }
        if open.others {
            self.others.rules.push((pattern, allows));
        }
    }

    /// A delay holds for the agents named so far: unlike rules, files often give it to one agent and go on with the next.
    fn crawl_delay(&mut self, value: &[u8]) {
        let Some(delay) = delay(value) else { return };
        match &self.open {
            None => _ = self.delay.get_or_insert(delay),
            Some(open) => {
                if open.own {
                    self.own.delay.get_or_insert(delay);
                }
                if open.others {
                    self.others.delay.get_or_insert(delay);
                }
            }
        }
    }

    fn finish(self) -> Robots {
        let group = if self.own.named { self.own } else { self.others };
        Robots {
            verdict: Verdict::Rules(Rules::new(&group.rules)),
            delay: group.delay.or(self.delay),
            sitemaps: self.sitemaps,
        }
    }
}

/// Seconds, with or without a fraction; what follows the number is left out.
fn delay(value: &[u8]) -> Option<Duration> {
    let end = value
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+'))
        .unwrap_or(value.len());
    let seconds: f64 = std::str::from_utf8(&value[..end]).ok()?.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(MAX_DELAY).min(MAX_DELAY))
}

/// `Bot/1.0 (+https://…)` names the product `Bot`.
fn product_token(agent: &str) -> &str {
    let token = agent.trim().split(|c: char| c == '/' || c.is_whitespace()).next();
    token.unwrap_or_default()
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

    #[test]
    fn what_stands_outside_of_groups_rules_nothing() {
        assert!(allows("Disallow: /", "/x"), "no group at all");
        assert!(allows("Disallow: /\nUser-agent: *\nDisallow: /y", "/x"));
        assert!(
            allows("User-agent: *\nUser-agent: ExampleBot\n", "/x"),
            "a group without rules"
        );
        assert!(allows("<!doctype html><p>Disallow: /</p>", "/x"));
        assert!(allows("", "/x"));
    }

    #[test]
    fn lines_that_the_rfc_does_not_know_end_no_group() {
        let file =
            "User-agent: ExampleBot\nCrawl-delay: 3\nHost: e.com\nUser-agent: other\nClean-param: ref\n\nDisallow: /x";
        assert!(!allows(file, "/x"));
        let robots = Robots::from_response(Some(200), file.as_bytes(), "ExampleBot");
        assert_eq!(robots.crawl_delay(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_product_token_is_matched_whole() {
        for other in [
            "Example",
            "ExampleBotNews",
            "ExampleBot-News",
            "NotExampleBot",
            "Example Bot",
        ] {
            assert!(allows(&format!("User-agent: {other}\nDisallow: /"), "/x"), "{other}");
        }
        for own in ["examplebot", "ExampleBot/2.0", "EXAMPLEBOT (+https://e.com/bot)"] {
            assert!(
                !allows(
                    &format!("User-agent: *\nAllow: /\nUser-agent: {own}\nDisallow: /"),
                    "/x"
                ),
                "{own}"
            );
        }
    }

    #[test]
    fn line_ends_and_missing_colons_are_forgiven() {
        for end in ["\n", "\r\n", "\r", "\n\n", "\0"] {
            let file = ["User-agent: *", "Disallow: /x", "Allow: /x/y"].join(end);
            assert!(
                !allows(&file, "/x") && allows(&file, "/x/y") && allows(&file, "/z"),
                "{end:?}"
            );
        }
        assert!(!allows("User-agent *\nDisallow /x", "/x"));
        let wide: Vec<u8> = "\u{feff}User-agent: *\nDisallow: /x"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let robots = Robots::from_response(Some(200), &wide, "b");
        assert!(!robots.allows(&Url::parse("https://e.com/x").unwrap()));
    }

    #[test]
    fn a_long_file_is_cut_between_lines() {
        let line = "Disallow: /private/section\n";
        let mut file = "User-agent: *\n".to_owned();
        file += &line.repeat(MAX_BYTES / line.len() + 10);
        // The cut falls behind `Disallow: /`, which would forbid everything.
        while !file[..MAX_BYTES].ends_with("\nDisallow: /") {
            file.insert(0, '\n');
        }
        assert!(allows(&file, "/open") && !allows(&file, "/private/section/1"));
        file += "Disallow: /late\n";
        assert!(file.len() > 500 * 1024 && allows(&file, "/late"));
        let early = format!("User-agent: *\n{}Disallow: /late\n", "#".repeat(500 * 1024 - 40) + "\n");
        assert!(!allows(&early, "/late"), "500 KiB are read");
    }

    #[test]
    fn delays_are_bounded_and_need_not_be_whole() {
        let delay = |value: &str| {
            let file = format!("Crawl-delay: {value}\nUser-agent: *\nDisallow:");
            Robots::from_response(Some(200), file.as_bytes(), "b").crawl_delay()
        };
        assert_eq!(delay("9999"), Some(MAX_DELAY));
        assert_eq!(delay("99999999999999999999999999"), Some(MAX_DELAY));
        assert_eq!(delay("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(delay("5s # seconds"), Some(Duration::from_secs(5)));
        assert_eq!(delay("10, 20"), Some(Duration::from_secs(10)));
        for none in ["-1", "", "soon", "nan", "inf"] {
            assert_eq!(delay(none), None, "{none}");
        }
        let own = "User-agent: *\nCrawl-delay: 1\nUser-agent: b\nDisallow: /x";
        assert_eq!(
            Robots::from_response(Some(200), own.as_bytes(), "b").crawl_delay(),
            None
        );
    }

    #[test]
    fn sitemaps_hold_for_all_and_may_be_relative() {
        let file = "Sitemap: /a.xml\nUser-agent: x\nSITEMAP:https://e.com/b.xml\nDisallow: /\nSitemap:\n";
        let robots = Robots::from_response(Some(200), file.as_bytes(), "b");
        assert_eq!(robots.sitemaps(), ["/a.xml", "https://e.com/b.xml"]);
    }

    #[test]
    fn a_thousand_wild_rules_are_read_and_answered() {
        let rules: Vec<String> = (0..1_000).map(|n| format!("Disallow: /*{n}*x$\n")).collect();
        let file = format!("User-agent: *\n{}", rules.concat());
        assert!(!allows(&file, "/a/17/x") && allows(&file, "/a/17/y"));
    }
}
