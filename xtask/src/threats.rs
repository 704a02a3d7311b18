//! Keeps docs/SECURITY.md honest: the tests that its tables name exist.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::shell::root;

/// The chapters whose tables name tests.
const CHAPTERS: [&str; 2] = ["Threats", "Failure tests"];

/// The names in backticks of the last column of the tables of a chapter.
fn named<'a>(text: &'a str, chapter: &str) -> BTreeSet<&'a str> {
    let head = format!("\n## {chapter}\n");
    let tables = text.split(head.as_str()).nth(1).unwrap_or_default();
    let tables = tables.split("\n## ").next().unwrap_or_default();
    let rows = tables.lines().filter(|line| line.starts_with('|'));
    let proofs = rows.filter_map(|row| row.trim_end_matches(['|', ' ']).rsplit_once('|'));
    proofs
        .flat_map(|(_, names)| names.split('`').skip(1).step_by(2))
        .collect()
}

/// Every Rust file of the checkout.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (name, path) = (entry.file_name(), entry.path());
        let skipped = name == "target" || name.to_string_lossy().starts_with('.');
        if path.is_dir() && !skipped {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether `text` has a test of this name: its attribute stands at most three lines above.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().collect();
    let named = format!("fn {name}(");
    let at = lines.iter().position(|line| line.contains(&named));
    at.is_some_and(|at| lines[at.saturating_sub(4)..at].iter().any(|line| line.contains("test")))
}

#[test]
fn every_threat_and_failure_names_tests_that_exist() {
    let text = fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let mut all = BTreeSet::new();
    for chapter in CHAPTERS {
        let named = named(&text, chapter);
        assert!(named.len() > 20, "the tables of {chapter} are read: {named:?}");
        all.extend(named);
    }
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let missing: Vec<_> = all
        .iter()
        .filter(|name| !texts.iter().any(|text| has_test(text, name)))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/SECURITY.md names tests that do not exist: {missing:?}"
    );
}

#[test]
fn a_row_without_a_proof_and_a_function_that_is_no_test_are_seen() {
    let rows =
        "# Security\n## Threats\n| a | b `not_this` | `one`, `two` |\n| c | d | |\n## Reporting\n| x | y | `three` |";
    assert_eq!(named(rows, "Threats"), BTreeSet::from(["one", "two"]));
    assert_eq!(named(rows, "Reporting"), BTreeSet::from(["three"]));
    assert!(has_test("#[test]\nfn one() {}", "one"));
    assert!(!has_test("fn one() {}", "one") && !has_test("#[test]\nfn another_one() {}", "one"));
}
