//! What can be printed holds no secret: no type of the product that derives `Debug` has a field of plain text by a secret's name. A
//! `SecretString` prints nothing, and types without `Debug` can't be printed.
//!
//! Read are names, not values, so that what is called a key or token and is no secret is found as well: such stand in [`HARMLESS`].
use regex::Regex;
use std::{collections::BTreeSet, fs, sync::LazyLock};

use crate::shell::{output, root};

/// Parts of names that secrets go by.
const WORDS: [&str; 14] = [
    "secret",
    "secrets",
    "token",
    "password",
    "passphrase",
    "credential",
    "credentials",
    "csrf",
    "cookie",
    "otp",
    "totp",
    "apikey",
    "bearer",
    "key",
];

/// Fields that are no secrets: the file, type and field, and why.
const HARMLESS: [(&str, &str, &str); 14] = [
    (
        "api/src/routes/domains.rs",
        "Domain.token",
        "a site shows it to everybody",
    ),
    ("crates/limits/src/lib.rs", "Limit.key", "names a counter"),
    ("crates/queue/src/publisher.rs", "Publisher.key", "names a stream"),
    (
        "domain/src/answering/ground/subject.rs",
        "Name.key",
        "a name in small letters",
    ),
    ("domain/src/jobs/submit.rs", "NewJob.dedupe_key", "names the work"),
    ("domain/src/privacy/mentions.rs", "Mention.key", "names a column"),
    ("domain/src/privacy/receipt.rs", "Tombstone.key", "the id of a key"),
    (
        "domain/src/tenancy/domains.rs",
        "DomainRecord.token",
        "a site shows it to everybody",
    ),
    ("entity/src/api_key.rs", "Model.secret_hash", "a hash"),
    ("entity/src/domain.rs", "Model.token", "a site shows it to everybody"),
    ("entity/src/job.rs", "Model.dedupe_key", "names the work"),
    ("entity/src/outbound_webhook.rs", "Model.secret", "sealed"),
    ("entity/src/store_connection.rs", "Model.credentials", "sealed"),
    ("entity/src/visitor.rs", "Model.email_key", "a keyed hash"),
];

static TYPE: LazyLock<Regex> = LazyLock::new(|| {
    let attributes = r"#\[derive\(([^)]*)\)\](?:\s*(?:#\[[^\n]*|//[^\n]*))*";
    let head = r"\s*(?:pub(?:\([a-z]+\))?\s+)?(?:struct|enum)\s+(\w+)[^{;(]*";
    Regex::new(&format!(
        r"{attributes}{head}(?:\{{([^{{}}]*(?:\{{[^{{}}]*\}}[^{{}}]*)*)\}}|(\([^)]*\)))"
    ))
    .unwrap()
});
static FIELD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*(?:pub(?:\([a-z]+\))?\s+)?([a-z_0-9]+):\s*([^\n]+?),?$").unwrap());
static PLAIN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bString\b|\bstr\b|\bu8\b").unwrap());

/// The fields of plain text by a secret's name, as `Type.field`, of the types that derive `Debug`; `Type.0` of one that is a name around a text.
fn findings(text: &str) -> Vec<String> {
    let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut found = Vec::new();
    for made in TYPE.captures_iter(product) {
        if !made[1].split(',').any(|derived| derived.trim() == "Debug") {
            continue;
        }
        let name = &made[2];
        let fields = FIELD.captures_iter(made.get(3).map_or("", |fields| fields.as_str()));
        let named = fields.filter(|field| is_secret(&field[1]) && PLAIN.is_match(&field[2]));
        found.extend(named.map(|field| format!("{name}.{}", &field[1])));
        let inner = made.get(4).map_or("", |inner| inner.as_str());
        if is_secret(&snake(name)) && PLAIN.is_match(inner) {
            found.push(format!("{name}.0"));
        }
    }
    found
}

fn is_secret(name: &str) -> bool {
    name.split('_').any(|part| WORDS.contains(&part))
}

/// `SignedToken` as `_signed_token`.
fn snake(name: &str) -> String {
    let letters = name.chars().flat_map(|c| {
        let begins = c.is_uppercase().then_some('_');
        begins.into_iter().chain(c.to_lowercase())
    });
    letters.collect()
}

#[test]
fn what_can_be_printed_holds_no_secret() {
    let files = output("git", &["ls-files", "*.rs"]).unwrap();
    let ours = |path: &&str| {
        !["bench/", "testkit/", "xtask/"].iter().any(|at| path.starts_with(at)) && !path.contains("/tests/")
    };
    let (mut wrong, mut needed) = (Vec::new(), BTreeSet::new());
    for path in files.lines().filter(ours) {
        // One that is being moved is read where it goes.
        let Ok(text) = fs::read_to_string(root().join(path)) else {
            continue;
        };
        for finding in findings(&text) {
            let known = HARMLESS
                .iter()
                .position(|(file, what, _)| path == *file && finding == *what);
            match known {
                Some(known) => drop(needed.insert(known)),
                None => wrong.push(format!("{path}: {finding}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "take `Debug` off, make it a SecretString, or say why not:\n{}",
        wrong.join("\n")
    );
    let idle = (0..HARMLESS.len()).filter(|at| !needed.contains(at));
    let idle: Vec<_> = idle.map(|at| HARMLESS[at]).collect();
    assert!(idle.is_empty(), "these are not needed any more: {idle:?}");
}

#[test]
fn secrets_in_types_are_found_by_their_names() {
    for (text, told) in [
        ("#[derive(Debug)]\nstruct A {\n    token: String,\n}", "A.token"),
        (
            "#[derive(Clone, Debug, Object)]\n#[oai(x)]\n/// Two [`B`].\npub struct A<T> {\n    /// c\n    pub client_secret: Option<String>,\n}",
            "A.client_secret",
        ),
        (
            "#[derive(Debug)]\nenum A {\n    B {\n        password: String,\n    },\n}",
            "A.password",
        ),
        ("#[derive(Debug)]\npub struct SignedToken(pub String);", "SignedToken.0"),
    ] {
        assert_eq!(findings(text), [told], "{text}");
    }
    for text in [
        "#[derive(Object)]\nstruct A {\n    token: String,\n}",
        "#[derive(Debug)]\nstruct A {\n    token: SecretString,\n    tokens_used: u64,\n    monkey: String,\n}",
        "#[derive(Debug)]\nstruct A;\n#[derive(Object)]\nstruct B {\n    token: String,\n}",
    ] {
        assert_eq!(findings(text), Vec::<String>::new(), "{text}");
    }
}
