//! Secrets are compared in constant time: no `==` or `!=` of the product has a name of a secret beside it, as comparisons of bytes end at
//! the first that differs and so tell a guesser how far a guess is right. `domain::secrets::equal` and the signer are the ways to compare.
//!
//! Read are names, not types, so that what compares a token that is no secret is found as well: such stand in [`HARMLESS`].
use regex::Regex;
use std::{collections::BTreeSet, fs, sync::LazyLock};

use crate::shell::{output, root};

/// Parts of names that secrets, and what proves them, go by.
const WORDS: [&str; 16] = [
    "secret",
    "secrets",
    "token",
    "password",
    "passphrase",
    "signature",
    "mac",
    "hmac",
    "digest",
    "csrf",
    "credential",
    "fingerprint",
    "otp",
    "totp",
    "apikey",
    "bearer",
];

/// Comparisons that nobody can learn a secret by: the file, both sides, and why.
const HARMLESS: [(&str, &str, &str); 13] = [
    (
        "api/src/extractors/cookie.rs",
        "other == token",
        "both came with the same request",
    ),
    (
        "crates/extract/src/robots/mod.rs",
        "token == \"*\"",
        "a crawler's name in robots.txt",
    ),
    (
        "domain/src/answering/standalone/lean.rs",
        "token.word == *word",
        "a word of a question",
    ),
    (
        "domain/src/answering/cache/remote.rs",
        "held.flatten().as_deref() == Some(token)",
        "the process' own claim, as its own Redis has it",
    ),
    (
        "domain/src/audit/verify.rs",
        "key.checkpoint(&head) != signature",
        "the operator reads the own log",
    ),
    (
        "domain/src/audit/verify.rs",
        "key.link(&before.mac, link.seq, entry) != link.mac",
        "the operator reads the own log",
    ),
    (
        "domain/src/audit/verify.rs",
        "seen.mac != link.mac",
        "the operator reads the own log",
    ),
    (
        "domain/src/limits/challenge.rs",
        "terms.address == digest(group)",
        "an address in terms that we have signed",
    ),
    (
        "domain/src/tenancy/proof/mod.rs",
        "rest.trim() == token",
        "a site shows it to everybody",
    ),
    (
        "domain/src/tenancy/proof/site.rs",
        "line.trim() == token",
        "a site shows it to everybody",
    ),
    (
        "domain/src/tenancy/proof/site.rs",
        "content.trim() == token",
        "a site shows it to everybody",
    ),
    (
        "worker/src/crawl/render.rs",
        "render.static_hash != need.fingerprint",
        "of a page's text",
    ),
    (
        "worker/src/heart.rs",
        "lease.token != *token",
        "the worker's own leases",
    ),
];

static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[A-Za-z_][A-Za-z0-9_]*").unwrap());
static NOISE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)//.*$").unwrap());

/// The product's part of a file, without comments.
fn product(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    NOISE.replace_all(product, "").into_owned()
}

/// How much of `text` belongs to one side of a comparison: up to what binds less, or to a bracket that was not opened there.
fn side(text: &[char], backwards: bool) -> String {
    let (open, close) = if backwards { (")]}", "([{") } else { ("([{", ")]}") };
    let (mut depth, mut taken) = (0_usize, Vec::new());
    for (at, &c) in text.iter().enumerate() {
        let pair = text.get(at + 1).is_some_and(|next| *next == c);
        let ends = matches!(c, ';' | ',' | '{' | '=' | '!' | '?') && !(c == '?' && backwards)
            || matches!(c, '&' | '|') && pair;
        if close.contains(c) {
            match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => break,
            }
        } else if open.contains(c) && c != '{' {
            depth += 1;
        } else if depth == 0 && (ends || c == '|') {
            break;
        }
        taken.push(c);
    }
    if backwards {
        taken.reverse();
    }
    let text: String = taken.into_iter().collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Comparisons that have a secret's name on a side.
fn findings(text: &str) -> Vec<String> {
    let text: Vec<char> = product(text).chars().collect();
    let mut found = Vec::new();
    for at in 1..text.len().saturating_sub(2) {
        let sign: String = text[at..at + 2].iter().collect();
        if !(sign == "==" || sign == "!=") || matches!(text[at - 1], '=' | '<' | '>' | '!') {
            continue;
        }
        let before: Vec<char> = text[..at].iter().rev().copied().collect();
        let (left, right) = (side(&before, true), side(&text[at + 2..], false));
        let left = left
            .trim_start_matches(['&', '*'])
            .rsplit("if ")
            .next()
            .unwrap_or_default()
            .to_owned();
        if is_secret(&left) || is_secret(&right) {
            found.push(format!("{left} {sign} {right}"));
        }
    }
    found
}

/// Whether a name in it has a part that secrets go by. Types and constants are none.
fn is_secret(side: &str) -> bool {
    NAME.find_iter(side).any(|name| {
        let small = name.as_str().starts_with(|c: char| c.is_ascii_lowercase());
        small && name.as_str().split('_').any(|part| WORDS.contains(&part))
    })
}

#[test]
fn secrets_are_compared_in_constant_time() {
    let mut needed = BTreeSet::new();
    let mut wrong = Vec::new();
    let files = output("git", &["ls-files", "*.rs"]).unwrap();
    let ours = |path: &&str| {
        !["bench/", "testkit/", "xtask/"].iter().any(|at| path.starts_with(at)) && !path.contains("/tests/")
    };
    for path in files.lines().filter(ours) {
        // One that is being moved is read where it goes.
        let Ok(text) = fs::read_to_string(root().join(path)) else {
            continue;
        };
        for finding in findings(&text) {
            match HARMLESS
                .iter()
                .position(|(file, what, _)| path == *file && finding == *what)
            {
                Some(known) => drop(needed.insert(known)),
                None => wrong.push(format!("{path}: {finding}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "compare by `secrets::equal`, or say why not:\n{}",
        wrong.join("\n")
    );
    let idle: Vec<_> = (0..HARMLESS.len())
        .filter(|at| !needed.contains(at))
        .map(|at| HARMLESS[at])
        .collect();
    assert!(idle.is_empty(), "these are not needed any more: {idle:?}");
}

#[test]
fn comparisons_are_found_by_the_names_on_their_sides() {
    for (text, told) in [
        ("if given == token { }", "given == token"),
        ("x && key.expose_secret() != other", "key.expose_secret() != other"),
        (
            "all(|a| a.signature\n    == hex(&mac(a)))",
            "a.signature == hex(&mac(a))",
        ),
        (
            "let same = sha(csrf_token, b) == row[0];",
            "sha(csrf_token, b) == row[0]",
        ),
    ] {
        assert_eq!(findings(text), [told], "{text}");
    }
    for text in [
        "tokens == first",
        "equal(token, given)",
        "token <= other",
        "status == StatusCode::OK && token.is_some()",
        "Some(token) if status == 200 => {}",
        "// token == given",
        "#[cfg(test)]\nmod tests { token == given }",
    ] {
        assert_eq!(findings(text), Vec::<String>::new(), "{text}");
    }
}
