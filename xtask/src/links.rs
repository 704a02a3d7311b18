//! What the documents point at exists: every relative link of every tracked Markdown file.
use regex::Regex;
use std::{fs, path::Path};

use crate::shell::{output, root};

/// Targets of Markdown links, without their anchors.
fn targets(text: &str) -> Vec<String> {
    let link = Regex::new(r"\]\(([^()\s#]+)(?:#[^()\s]*)?\)").unwrap();
    let local = |target: &str| !target.contains("://") && !target.starts_with("mailto:") && !target.starts_with('$');
    let found = link.captures_iter(text).map(|found| found[1].to_owned());
    found.filter(|target| local(target)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let files = output("git", &["ls-files", "*.md"]).unwrap();
    let mut dead = Vec::new();
    for file in files.lines() {
        let Ok(text) = fs::read_to_string(root().join(file)) else {
            continue;
        };
        // How to read a report stands beside its benchmark, and is read at the report's end.
        let read_at = if file.starts_with("bench/src/") {
            "docs/benchmarks/report.md"
        } else {
            file
        };
        let folder = root().join(Path::new(read_at).parent().unwrap());
        let missing = targets(&text)
            .into_iter()
            .filter(|target| !folder.join(target).exists());
        dead.extend(missing.map(|target| format!("{file}: {target}")));
    }
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn links_of_the_web_and_anchors_are_left_alone() {
    let text = "[a](b/c.md#part) ![d](e.png) [f](https://example.com/g) [h](#i) [j](mailto:k@l.example)";
    assert_eq!(targets(text), ["b/c.md", "e.png"]);
}
