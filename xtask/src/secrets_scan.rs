//! No secret is checked in, or ever was: every tracked file, and every line that a commit has added, is read for what scanners of leaks look
//! for as well.
//!
//! Looked for are the marks that issuers give their secrets, heads of private keys, and texts with the entropy of random ones
//! beside a name such as `token`. What is found and is none stands in [`HARMLESS`], with a reason.
use regex::Regex;
use std::{collections::BTreeSet, fs, sync::LazyLock};

use crate::shell::{bytes, output, root};

/// Secrets that say themselves what they are.
const MARKED: [(&str, &str); 13] = [
    ("a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("a key of AWS", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (
        "a token of GitHub",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,})",
    ),
    ("a token of GitLab", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a token of Slack", r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    ("a key of Google", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a key of a model provider", r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_]{20,}"),
    ("a key of Stripe", r"\b[rs]k_live_[0-9A-Za-z]{16,}"),
    (
        "a token of a registry",
        r"\b(?:npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,}|cio[A-Za-z0-9]{32})\b",
    ),
    (
        "a key of a shop",
        r"\b(?:shp(?:at|ca|pa|ss)_[0-9a-f]{32}|c[ks]_[0-9a-f]{40})\b",
    ),
    ("a key of Omniops", r"\bomni_[A-Za-z0-9_-]{43}(?:[A-Za-z0-9]{6})?\b"),
    ("a secret of a webhook", r"\bwhsec_[A-Za-z0-9+/=]{32,}"),
    (
        "a signed token",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
];

/// A name of a secret with a text given to it.
const NAMED: &str = r#"(?i)(?:secret|token|passw(?:or)?d|api_?key|private_?key|encryption_?key|credential)[a-z_]*["']?\s*(?:[:=]|=>)\s*["']?([A-Za-z0-9+/=_.~-]{20,})"#;
/// Bits a character: 32 random characters of base64 have about 4.6, of hexadecimal 3.6; words have less.
const RANDOM: f64 = 4.3;
const RANDOM_HEX: f64 = 3.2;

/// What looks like a secret and is none: the file, a part of the finding, and why.
const HARMLESS: [(&str, &str, &str); 0] = [];

static RULES: LazyLock<(Vec<(&str, Regex)>, Regex)> = LazyLock::new(|| {
    let marked = MARKED.iter().map(|(what, rule)| (*what, Regex::new(rule).unwrap()));
    (marked.collect(), Regex::new(NAMED).unwrap())
});

/// What is found in a text, with its line.
fn findings(text: &str) -> Vec<(usize, String)> {
    let (marked, named) = &*RULES;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (what, rule) in marked {
            found.extend(
                rule.find(line)
                    .map(|hit| (number + 1, format!("{what}: {}", hit.as_str()))),
            );
        }
        let assigned = named.captures_iter(line).map(|hit| hit[1].to_owned());
        found.extend(
            assigned
                .filter(|text| is_random(text))
                .map(|text| (number + 1, format!("a random text: {text}"))),
        );
    }
    found
}

fn is_random(text: &str) -> bool {
    let hex = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    entropy(text) >= if hex { RANDOM_HEX } else { RANDOM }
}

/// Shannon's, in bits a character.
fn entropy(text: &str) -> f64 {
    let length = text.len() as f64;
    let bytes: BTreeSet<u8> = text.bytes().collect();
    let share = |byte: u8| text.bytes().filter(|other| *other == byte).count() as f64 / length;
    bytes.into_iter().map(share).map(|p| -p * p.log2()).sum()
}

#[test]
fn no_tracked_file_holds_a_secret() {
    let files = output("git", &["ls-files", "-z"]).unwrap();
    let (mut found, mut excused) = (Vec::new(), BTreeSet::new());
    for file in files.split('\0').filter(|file| !file.is_empty()) {
        // Pictures, archives and what is removed and not yet committed have no text.
        let Ok(text) = fs::read_to_string(root().join(file)) else {
            continue;
        };
        for (line, what) in findings(&text) {
            let harmless = HARMLESS
                .iter()
                .position(|(of, part, _)| *of == file && what.contains(part));
            match harmless {
                Some(at) => drop(excused.insert(at)),
                None => found.push(format!("{file}:{line}: {what}")),
            }
        }
    }
    assert!(
        found.is_empty(),
        "secrets are checked in, or HARMLESS lacks a line:\n{}",
        found.join("\n")
    );
    assert_eq!(excused.len(), HARMLESS.len(), "HARMLESS excuses what is not there");
}

/// What was removed again is still in everybody's clone.
#[test]
fn no_commit_has_added_a_secret() {
    let log = [
        "log",
        "--all",
        "--patch",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--format=commit %h",
    ];
    let log = bytes("git", &log).unwrap();
    let log = String::from_utf8_lossy(&log);
    let (mut commit, mut read, mut found) = ("", BTreeSet::new(), Vec::new());
    for line in log.lines() {
        if line.starts_with("commit ") {
            commit = line;
        }
        let added = line.strip_prefix('+').filter(|added| !added.starts_with("++ "));
        if let Some(added) = added.filter(|added| read.insert(*added)) {
            let told = findings(added).into_iter();
            found.extend(told.map(|(_, what)| (commit, what)));
        }
    }
    assert!(read.len() > 1000, "the history is read: {} lines", read.len());
    found.retain(|(_, what)| !HARMLESS.iter().any(|(_, part, _)| what.contains(part)));
    assert!(
        found.is_empty(),
        "secrets were checked in; end them where they are used:\n{found:#?}"
    );
}

#[test]
fn secrets_are_told_from_names_and_words() {
    // Put together here, so that no file holds them.
    let random = "9Zr4uV1xQ8wE2tY7pL0kJ3hG6fD5sA-B".to_owned() + "nM_cX";
    for secret in [
        ["-----BEGIN RSA PRIVATE", " KEY-----"].concat(),
        ["AKIA", "IOSFODNN7EXAMPLE"].concat(),
        ["ghp_", &"a1B2".repeat(9)].concat(),
        ["omni_", &"aB3_".repeat(10), "xyz"].concat(),
        ["cs_", &"0a1b2c3d".repeat(5)].concat(),
        format!("const TOKEN: &str = x; admin_token: \"{random}\""),
        format!("ENCRYPTION_KEY={}", "4f2a9c7e1b8d3605".repeat(4)),
        format!("\"client_secret\" => '{random}'"),
    ] {
        assert_eq!(findings(&secret).len(), 1, "{secret}");
    }
    for word in [
        "OMNIOPS_ADMIN_TOKEN=a-token-of-at-least-32-characters",
        "let token = credentials::bearer(&request).to_owned();",
        "password: postgres_password_of_the_installation",
        "ENCRYPTION_KEY=5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e",
        "checksum = \"4f2a9c7e1b8d36054f2a9c7e1b8d36054f2a9c7e1b8d3605\"",
    ] {
        assert_eq!(findings(word), [], "{word}");
    }
}
