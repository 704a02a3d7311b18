//! Path patterns of robots.txt (RFC 9309 §2.2.2 and §2.2.3): prefixes with `*` for anything and `$` for the end.
//!
//! Patterns and paths are brought into one percent spelling first. Matching takes a literal part at its first place after the
//! one before, which is enough for patterns of this kind and never goes back, so that no pattern is expensive.

use std::collections::HashSet;

use crate::url::normalize_percent;

/// Most patterns with operators that are tried on each path; half a megabyte has room for some 25,000.
const MAX_WILD: usize = 1_000;

/// The rules of one group.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Patterns without operators, sorted: a path's prefixes are looked up among them.
    plain: Vec<(String, bool)>,
    /// The others, longest first, and of equal length the permissions first.
    wild: Vec<Wild>,
}

#[derive(Debug)]
struct Wild {
    /// The literal parts between the `*`; the first one is the beginning.
    parts: Vec<String>,
    /// Whether the last part is the end.
    anchored: bool,
    /// Length of the pattern in octets, its weight.
    length: usize,
    allows: bool,
}

impl Rules {
    /// From the patterns as written, with whether each permits.
    pub fn new(lines: &[(&[u8], bool)]) -> Self {
        let mut rules = Self::default();
        let mut seen = HashSet::new();
        for &(pattern, allows) in lines {
            // An empty pattern forbids nothing, and everything is allowed anyway.
            if pattern.is_empty() || !seen.insert((pattern, allows)) {
                continue;
            }
            let (body, anchored) = pattern.strip_suffix(b"$").map_or((pattern, false), |body| (body, true));
            let mut parts: Vec<String> = body.split(|byte| *byte == b'*').map(escape).collect();
            let length = parts.iter().map(String::len).sum::<usize>() + parts.len() - 1 + usize::from(anchored);
            if parts.len() == 1 && !anchored {
                rules.plain.extend(parts.pop().map(|prefix| (prefix, allows)));
            } else {
                rules.wild.push(Wild {
                    parts,
                    anchored,
                    length,
                    allows,
                });
            }
        }
        rules.plain.sort();
        rules
            .wild
            .sort_by_key(|rule| (std::cmp::Reverse(rule.length), !rule.allows));
        // What is left out forbids rather too much, all that begins as it does; unless that is the whole site.
        let left_out = rules.wild.split_off(MAX_WILD.min(rules.wild.len()));
        let forbidden = left_out
            .into_iter()
            .filter(|rule| !rule.allows && rule.parts.first().is_some_and(|first| first.len() > 1));
        rules
            .plain
            .extend(forbidden.filter_map(|rule| Some((rule.parts.into_iter().next()?, false))));
        rules.plain.sort();
        rules
    }

    /// Whether the rules allow a path with its query: the longest matching pattern decides, and a tie allows.
    pub fn allow(&self, path: &str) -> bool {
        let path = escape(path.as_bytes());
        let plain = self.longest_plain(&path);
        let wild = self
            .wild
            .iter()
            .find(|rule| rule.matches(&path))
            .map(|rule| (rule.length, rule.allows));
        plain.max(wild).is_none_or(|(_, allows)| allows)
    }

    /// Length and verdict of the longest prefix among the plain patterns.
    fn longest_plain(&self, path: &str) -> Option<(usize, bool)> {
        let mut prefix = path;
        loop {
            // The last pattern that is not greater: the longest prefix itself, or a pattern between it and the path.
            let above = self
                .plain
                .partition_point(|(pattern, allows)| (pattern.as_str(), *allows) <= (prefix, true));
            let (pattern, allows) = self.plain.get(above.checked_sub(1)?)?;
            if prefix.starts_with(pattern.as_str()) {
                return Some((pattern.len(), *allows));
            }
            let common = pattern.bytes().zip(prefix.bytes()).take_while(|(a, b)| a == b).count();
            prefix = &prefix[..common];
        }
    }
}

impl Wild {
    fn matches(&self, path: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else {
            return false;
        };
        let Some(mut left) = path.strip_prefix(first.as_str()) else {
            return false;
        };
        let (middle, last) = match rest.split_last() {
            Some((last, middle)) if self.anchored => (middle, Some(last)),
            None if self.anchored => return left.is_empty(),
            _ => (rest, None),
        };
        for part in middle {
            let Some(at) = left.find(part.as_str()) else {
                return false;
            };
            left = &left[at + part.len()..];
        }
        last.is_none_or(|last| left.ends_with(last.as_str()))
    }
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn more_patterns_than_are_tried_forbid_what_begins_like_them() {
        let patterns: Vec<String> = (0..MAX_WILD + 500).map(|n| format!("/b{n}/*x$")).collect();
        let lines: Vec<(&[u8], bool)> = patterns.iter().map(|pattern| (pattern.as_bytes(), false)).collect();
        let rules = Rules::new(&lines);
        assert_eq!(rules.wild.len(), MAX_WILD);
        for n in [0, MAX_WILD + 499] {
            assert!(!rules.allow(&format!("/b{n}/x")), "{n}");
        }
        assert!(rules.allow("/c/x"));
    }

    /// The definition, by trying everything.
    fn slow(pattern: &[u8], path: &[u8]) -> bool {
        match pattern.split_first() {
            None => true,
            Some((b'$', [])) => path.is_empty(),
            Some((b'*', rest)) => (0..=path.len()).any(|at| slow(rest, &path[at..])),
            Some((byte, rest)) => path.first() == Some(byte) && slow(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_longest_match_decides(
            rules in prop::collection::vec(("/[ab/*]{0,6}\\$?", any::<bool>()), 0..8),
            path in "/[ab/]{0,8}",
        ) {
            let lines: Vec<(&[u8], bool)> = rules.iter().map(|(pattern, allows)| (pattern.as_bytes(), *allows)).collect();
            let matching = rules.iter().filter(|(pattern, _)| slow(pattern.as_bytes(), path.as_bytes()));
            let expected = matching.map(|(pattern, allows)| (pattern.len(), *allows)).max();
            prop_assert_eq!(Rules::new(&lines).allow(&path), expected.is_none_or(|(_, allows)| allows));
        }
    }
}
