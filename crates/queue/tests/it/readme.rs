//! What the README shows is what is built.

/// A line as it is built: one with `# ` is hidden where the documentation is shown.
fn built(line: &str) -> &str {
    let hidden = line.strip_prefix("# ");
    hidden.unwrap_or(if line == "#" { "" } else { line })
}

#[test]
fn the_readme_shows_the_program_that_is_built() {
    let readme = include_str!("../../README.md");
    let (_, from) = readme.split_once("```rust,no_run\n").unwrap();
    let (shown, _) = from.split_once("```").unwrap();
    let shown: Vec<&str> = shown.lines().map(built).collect();
    let example = include_str!("../../examples/readme.rs").lines();
    assert_eq!(shown, example.skip(1).collect::<Vec<_>>());
}
