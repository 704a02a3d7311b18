//! What a page's author asks of robots: the robots meta elements and the `X-Robots-Tag` header, general ones and those for
//! one robot (<https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag>).
//!
//! Several directives add up: what any of them forbids is forbidden.

use serde::Serialize;

use super::dom::Dom;

/// Most robots whose own directives are kept of a page.
const MAX_NAMED: usize = 32;
/// Directives that take a value after a colon, which therefore names no robot.
const VALUED: &[&str] = &[
    "unavailable_after",
    "max-snippet",
    "max-image-preview",
    "max-video-preview",
];

/// What robots are asked to leave out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Directives {
    /// Do not index this page.
    pub noindex: bool,
    /// Do not follow its links.
    pub nofollow: bool,
}

impl Directives {
    /// Reads one `X-Robots-Tag` header as far as it speaks to everybody or to the robot whose product token is `agent`:
    /// `noindex, otherbot: nofollow`. A name holds for what follows it, up to the next name.
    #[must_use]
    pub fn of_header(value: &str, agent: &str) -> Self {
        let mut out = Self::default();
        let mut applies = true;
        for part in value.split(',') {
            let mut rule = part.trim();
            if let Some((name, rest)) = rule.split_once(':')
                && !VALUED.iter().any(|it| name.trim().eq_ignore_ascii_case(it))
            {
                applies = name.trim() == "*" || name.trim().eq_ignore_ascii_case(agent);
                rule = rest.trim();
            }
            if applies {
                out.take(rule);
            }
        }
        out
    }

    /// What both ask for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            noindex: self.noindex || other.noindex,
            nofollow: self.nofollow || other.nofollow,
        }
    }

    fn take(&mut self, rule: &str) {
        let is = |name: &str| rule.eq_ignore_ascii_case(name);
        self.noindex |= is("noindex") || is("none");
        self.nofollow |= is("nofollow") || is("none");
    }

    fn of_content(content: &str) -> Self {
        let mut out = Self::default();
        content.split([',', ';']).for_each(|rule| out.take(rule.trim()));
        out
    }
}

/// The directives of every `<meta name=robots>` together, and those for named robots, names in lower case.
pub(super) fn find(dom: &Dom) -> (Directives, Vec<(String, Directives)>) {
    let mut general = Directives::default();
    let mut named: Vec<(String, Directives)> = Vec::new();
    for id in dom.elements(0, "meta") {
        let (Some(name), Some(content)) = (dom.attribute(id, "name"), dom.attribute(id, "content")) else {
            continue;
        };
        let name = name.trim().to_ascii_lowercase();
        let told = Directives::of_content(content);
        if name == "robots" {
            general = general.and(told);
        } else if told != Directives::default() && named.len() < MAX_NAMED && name.len() <= 64 {
            // Whatever its name is: only the crawler knows which one is its own.
            named.push((name, told));
        }
    }
    (general, named)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOINDEX: Directives = Directives {
        noindex: true,
        nofollow: false,
    };
    const NOFOLLOW: Directives = Directives {
        noindex: false,
        nofollow: true,
    };

    #[test]
    fn meta_elements_add_up() {
        let of = |html: &str| find(&Dom::parse(html));
        assert_eq!(of("<meta name=ROBOTS content='NoIndex, follow'>").0, NOINDEX);
        assert_eq!(of("<meta name=robots content=none>").0, NOINDEX.and(NOFOLLOW));
        assert_eq!(
            of("<meta name=robots content=index><meta name=robots content='nofollow;noarchive'>").0,
            NOFOLLOW
        );
        let (general, named) =
            of("<meta name=OtherBot content=noindex><meta name=description content='noindex the book'>");
        assert_eq!(
            (general, named),
            (Directives::default(), vec![("otherbot".into(), NOINDEX)])
        );
    }

    #[test]
    fn headers_name_robots_or_none() {
        let of = |value: &str| Directives::of_header(value, "ExampleBot");
        assert_eq!(of("noindex"), NOINDEX);
        assert_eq!(of("NONE"), NOINDEX.and(NOFOLLOW));
        assert_eq!(of("examplebot: nofollow"), NOFOLLOW);
        assert_eq!(of("otherbot: noindex, nofollow"), Directives::default());
        assert_eq!(of("otherbot: noindex, ExampleBot: nofollow"), NOFOLLOW);
        assert_eq!(of("noindex, otherbot: nofollow"), NOINDEX);
        assert_eq!(of("max-snippet: 5, noindex"), NOINDEX);
        assert_eq!(of("unavailable_after: 25 Jun 2010 15:00:00 PST, nofollow"), NOFOLLOW);
        assert_eq!(of("*: noindex"), NOINDEX);
    }
}
