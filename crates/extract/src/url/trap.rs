//! What one URL by itself says about being one of endlessly many.

use std::{collections::HashMap, fmt};

use ::url::Url;

/// Longest URL, in bytes, that a sane site is expected to use.
const MAX_LENGTH: usize = 2000;
/// Most path segments before a URL is taken for a trap.
const MAX_SEGMENTS: usize = 15;
/// How often one segment may occur in a path before it is taken for a loop (`/a/b/a/b/a/b/a/b`).
const MAX_REPEATS: usize = 4;
/// Most query parameters of a URL.
const MAX_PARAMETERS: usize = 24;
/// How often one parameter may occur in a query; filters of shops repeat a name for each ticked box.
const MAX_SAME_PARAMETER: usize = 12;

/// Why a URL looks like one of endlessly many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trap {
    /// The URL is longer than 2000 bytes.
    LongUrl,
    /// The path has more than 15 segments.
    ManySegments,
    /// One segment that is not a number occurs four times or more.
    RepeatedSegment,
    /// The query has more than 24 parameters, or one more than 12 times.
    ManyParameters,
    /// A date far from today, after many such dates.
    Calendar,
    /// One more mix of the parameters of a path that has far more mixes than values.
    ParameterMix,
    /// Pages of this form have shown the same content again and again.
    SameContent,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LongUrl => "URL too long",
            Self::ManySegments => "too many path segments",
            Self::RepeatedSegment => "a path segment repeats",
            Self::ManyParameters => "too many parameters",
            Self::Calendar => "a calendar without end",
            Self::ParameterMix => "one of endless parameter mixes",
            Self::SameContent => "pages of this form repeat one content",
        })
    }
}

/// Why the URL by itself looks like a crawler trap, if it does.
#[must_use]
pub fn trap(url: &Url) -> Option<Trap> {
    if url.as_str().len() > MAX_LENGTH {
        return Some(Trap::LongUrl);
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (index, segment) in url.path().split('/').filter(|segment| !segment.is_empty()).enumerate() {
        if index >= MAX_SEGMENTS {
            return Some(Trap::ManySegments);
        }
        // The parts of a date may well be the same number.
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let count = seen.entry(segment).or_default();
        *count += 1;
        if *count >= MAX_REPEATS {
            return Some(Trap::RepeatedSegment);
        }
    }
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (index, pair) in url.query().unwrap_or_default().split('&').enumerate() {
        let count = names.entry(pair.split('=').next().unwrap_or_default()).or_default();
        *count += 1;
        if index >= MAX_PARAMETERS || *count > MAX_SAME_PARAMETER {
            return Some(Trap::ManyParameters);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_named() {
        let trapped = |path: &str| trap(&Url::parse("https://e.com").unwrap().join(path).unwrap());
        assert_eq!(trapped("/a/b/c"), None);
        assert_eq!(trapped("/archive/11/11/11/11"), None);
        assert_eq!(trapped("/s?f=1&f=2&f=3&page=4"), None);
        assert_eq!(trapped("/a/b/a/b/a/b/a/b"), Some(Trap::RepeatedSegment));
        assert_eq!(
            trapped("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"),
            Some(Trap::ManySegments)
        );
        assert_eq!(trapped(&format!("/{}", "x".repeat(2001))), Some(Trap::LongUrl));
        assert_eq!(trapped(&format!("/?{}", "a=1&".repeat(13))), Some(Trap::ManyParameters));
        let many: Vec<String> = (0..26).map(|n| format!("p{n}=1")).collect();
        assert_eq!(trapped(&format!("/?{}", many.join("&"))), Some(Trap::ManyParameters));
    }
}
