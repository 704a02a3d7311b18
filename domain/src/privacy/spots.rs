//! Where in a text an address stands. Texts put one between spaces, into brackets and links, or, where a script knows no spaces, right
//! into a sentence: so every place is tried at which one may begin and end, the longest first, and whoever asks says which it is.
//!
//! What must stay true: a longer address that ends or begins alike is another one (`wada@…` and `…example.org` are not `ada@…example`).
use std::ops::Range;

use super::subject::email_key;

/// Characters of an address before its `@`, at most (RFC 5321, section 4.5.3.1.1).
const LOCAL: usize = 64;
/// Characters of a domain, at most.
const DOMAIN: usize = 253;
/// How `@` is written: also in its compatibility forms, and in links.
const SIGNS: [&str; 4] = ["@", "＠", "﹫", "%40"];
/// What no address has before its `@`, unquoted.
const NEVER: &str = "<>\"“”„(),;:[]{}|\\@＠﹫";
/// Dots, with those that domains are written with elsewhere (RFC 3490, section 3.1), and hyphens.
const JOINTS: &str = ".-。．｡";
/// What may stand within an address and around one.
const MARKS: &str = ".+-_";

/// The first address from `from` on that `whose` knows by its key.
pub(super) fn next(text: &str, from: usize, whose: &(impl Fn(&str) -> bool + ?Sized)) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        let signs = SIGNS.iter().filter_map(|sign| Some((rest.find(sign)?, sign.len())));
        let (place, length) = signs.min()?;
        let (before, after) = (text.get(from..at + place)?, text.get(at + place + length..)?);
        for begin in beginnings(before) {
            for end in ends(after) {
                let (local, domain) = (before.get(begin..)?, after.get(..end)?);
                if email_key(&format!("{local}@{domain}")).is_some_and(|key| whose(&key)) {
                    return Some(from + begin..at + place + length + end);
                }
            }
        }
        at += place + length;
    }
}

/// Where an address may begin that ends with this text, the longest first.
fn beginnings(before: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let places: Vec<(usize, char)> = before
        .char_indices()
        .rev()
        .take(LOCAL)
        .take_while(|(_, c)| !c.is_whitespace() && !NEVER.contains(*c))
        .collect();
    for (place, c) in &places {
        let lead = before.get(..*place).unwrap_or_default();
        // Marks that nothing stands before are not the address's.
        let bare = lead.trim_end_matches(|c| MARKS.contains(c));
        let free = |text: &str| {
            text.chars()
                .next_back()
                .is_none_or(|c| !is_western(c) && !MARKS.contains(c))
        };
        if !MARKS.contains(*c) && free(bare) {
            found.push(*place);
        }
    }
    found.reverse();
    found
}

/// Where a domain may end that begins this text, the longest first.
fn ends(after: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let part = |c: char| c.is_alphanumeric() || JOINTS.contains(c);
    let run: Vec<(usize, char)> = after
        .char_indices()
        .take(DOMAIN)
        .take_while(|(_, c)| part(*c))
        .collect();
    for (n, (place, c)) in run.iter().enumerate() {
        if JOINTS.contains(*c) {
            continue;
        }
        let next = run.iter().skip(n + 1).find(|(_, c)| !JOINTS.contains(*c));
        if next.is_none_or(|(_, next)| is_western(*next) != is_western(*c)) {
            found.push(place + c.len_utf8());
        }
    }
    found.reverse();
    found
}

/// A Latin letter or a digit, also a wide one: where one stands beside another, it is the same word.
fn is_western(c: char) -> bool {
    c.is_alphanumeric() && matches!(c, '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{ff10}'..='\u{ff5a}')
}
