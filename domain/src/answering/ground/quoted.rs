//! Quotations: a page's words with its own links, and with nothing in them that a renderer of Markdown would take for HTML.
//!
//! What a page shows as text, like `<b>` in a lesson or `<img onerror=…>` in somebody's review, is text in the answer as well, whoever
//! renders it: tags stand in backticks, and what only begins like one loses its sign. Code is quoted as it stands, so what code is must be
//! what `CommonMark` takes for it: its spans end where they begin within a line, and no backtick is left that could begin another one.
use regex::Captures;
use url::Url;

use super::links::{IMAGE, LINK, Links, WHOLE, trimmed};

// `<https://…>`, `<a@b.c>`.
pattern!(AUTOLINK, r"<((?i:https?://|mailto:)[^\s<>]*|[^\s<>@:/]+@[^\s<>@]+)>");
pattern!(TAGS, r"(?:<(?:[/!?]?[A-Za-z][^<>\n]*|!--.*?--)>)+");
pattern!(OPEN, r"<+([A-Za-z/!?])");

/// Quoted text with its own links as far as they lead home: others keep their words, and addresses with a scheme their host.
pub fn quoted(text: &str, links: &Links) -> String {
    let all: Vec<&str> = text.split('\n').collect();
    let mut out: Vec<String> = Vec::new();
    while out.len() < all.len() {
        let left = &all[out.len()..];
        match block_of_code(left) {
            0 => out.push(quoted_line(left[0], links)),
            block => out.extend(left[..block].iter().map(|line| (*line).to_owned())),
        }
    }
    out.join("\n")
}

/// The number of lines of the block of code that begins here. An indented one may be none, or end early, by the list that it stands in:
/// it is one if nothing in it would matter then.
fn block_of_code(lines: &[&str]) -> usize {
    let fence = |line: &str| {
        let rest = line.trim_start_matches(' ');
        let marks = marks(rest);
        (line.len() - rest.len(), marks, rest[marks..].to_owned())
    };
    let (indent, opened, behind) = fence(lines[0]);
    if opened < 3 || behind.contains('`') || (indent > 0 && OPEN.is_match(&behind)) {
        return 0;
    }
    for (n, line) in lines.iter().enumerate().skip(1) {
        let (at, marks, behind) = fence(line);
        let blank = behind.trim().is_empty();
        let ends = marks >= opened && blank;
        if ends && (at == indent || (indent == 0 && at < 4)) {
            return n + 1;
        }
        let outside = at < indent && !(blank && marks == 0);
        if indent > 0 && (ends || outside || OPEN.is_match(line)) {
            return 0;
        }
    }
    if indent == 0 { lines.len() } else { 0 }
}

fn quoted_line(line: &str, links: &Links) -> String {
    // The other way to begin a block of code.
    let line = if line.trim_start().starts_with("~~~") {
        line.trim_start().trim_start_matches('~')
    } else {
        line
    };
    let mut out = String::new();
    for (is_code, part) in parts(line) {
        let part = if is_code { part } else { inert(&led_home(&part, links)) };
        if part.starts_with('`') {
            make_way(&mut out);
        }
        out.push_str(&part);
    }
    out
}

/// Lets a backtick follow that begins code, and neither goes on with other ones nor stands behind a backslash.
pub(super) fn make_way(out: &mut String) {
    out.truncate(out.trim_end_matches('\\').len());
    if out.ends_with('`') {
        out.push(' ');
    }
}

/// A line's spans of code, with their backticks, and what stands between them. Backticks that begin no span are left out.
pub(super) fn parts(line: &str) -> Vec<(bool, String)> {
    let mut parts = Vec::new();
    let mut prose = String::new();
    let mut from = 0;
    while let Some(at) = line[from..].find('`').map(|at| from + at) {
        prose.push_str(&line[from..at]);
        let marks = marks(&line[at..]);
        from = match end_of_code(line, at + marks, marks) {
            Some(end) => {
                parts.push((false, std::mem::take(&mut prose)));
                parts.push((true, line[at..end].to_owned()));
                end
            }
            None => at + marks,
        };
    }
    prose.push_str(&line[from..]);
    parts.push((false, prose));
    parts
}

fn marks(text: &str) -> usize {
    text.len() - text.trim_start_matches('`').len()
}

/// Where the code ends that begins at `from` behind so many backticks.
fn end_of_code(line: &str, mut from: usize, opened: usize) -> Option<usize> {
    while let Some(at) = line[from..].find('`').map(|at| from + at) {
        let marks = marks(&line[at..]);
        from = at + marks;
        if marks == opened {
            return Some(from);
        }
    }
    None
}

fn led_home(text: &str, links: &Links) -> String {
    let text = IMAGE.replace_all(text, "");
    let text = AUTOLINK.replace_all(&text, "$1");
    // What is kept is set aside, so that the second pass finds only addresses that stand alone.
    let mut kept = Vec::new();
    let text = LINK.replace_all(&text, |c: &Captures<'_>| {
        let (words, target) = (&c[1], &c[2]);
        match target.split_once(':') {
            Some(("mailto" | "tel", address)) if !words.contains(address) => format!("{words} ({address})"),
            _ if links.lead_home(target) && target.contains("://") => {
                kept.push(format!("[{words}]({target})"));
                format!("\u{1}{}\u{1}", kept.len() - 1)
            }
            _ => words.to_owned(),
        }
    });
    let text = WHOLE.replace_all(&text, |c: &Captures<'_>| {
        if links.lead_home(&c[0]) {
            return c[0].to_owned();
        }
        let host = Url::parse(trimmed(&c[0]))
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        let end = &c[0][trimmed(&c[0]).len()..];
        host.unwrap_or_default() + end
    });
    let mut text = text.into_owned();
    for (n, link) in kept.iter().enumerate() {
        text = text.replace(&format!("\u{1}{n}\u{1}"), link);
    }
    text
}

/// Text without backticks, whose tags are shown and not obeyed.
fn inert(text: &str) -> String {
    if !text.contains('<') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut from = 0;
    for tags in TAGS.find_iter(text) {
        out.push_str(&OPEN.replace_all(&text[from..tags.start()], "$1"));
        make_way(&mut out);
        out.extend(["`", tags.as_str(), "`"]);
        from = tags.end();
    }
    out.push_str(&OPEN.replace_all(&text[from..], "$1"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        quoted(
            text,
            &Links::new(["https://shop.example/help"], ["shop.example".to_owned()]),
        )
    }

    #[test]
    fn a_quotation_keeps_its_own_links_and_loses_the_others() {
        let text = "![x](https://shop.example/x.png)See [faq](https://shop.example/faq), [more](https://evil.example/a) and https://evil.example/b.\n\
                    [Mail](mailto:a@shop.example) `curl https://evil.example`\n```\nhttps://evil.example/c\n```\n\
                    Or <https://shop.example/faq>, ` [that](https://evil.example/d).";
        let want = "See [faq](https://shop.example/faq), more and evil.example.\n\
                    Mail (a@shop.example) `curl https://evil.example`\n```\nhttps://evil.example/c\n```\n\
                    Or https://shop.example/faq,  that.";
        assert_eq!(shown(text), want);
    }

    #[test]
    fn tags_are_shown_and_not_obeyed() {
        for (text, want) in [
            ("Use the <b> tag, 3 < 4 <3.", "Use the `<b>` tag, 3 < 4 <3."),
            (
                "Two days <img src=x onerror=alert(1)>.",
                "Two days `<img src=x onerror=alert(1)>`.",
            ),
            ("<script>alert(1)</script>", "`<script>`alert(1)`</script>`"),
            ("a <br><br/> b <!-- > c --> d", "a `<br><br/>` b `<!-- > c -->` d"),
            ("<img src=x\nonerror=alert(1)>", "img src=x\nonerror=alert(1)>"),
            ("<!-- a\n<?php b\n<![CDATA[ c", "!-- a\n?php b\n![CDATA[ c"),
            ("**<h1>**\n\n- <td>: x", "**`<h1>`**\n\n- `<td>`: x"),
            ("Write to <help@shop.example>.", "Write to help@shop.example."),
            ("```html\n<b>x</b>\n```", "```html\n<b>x</b>\n```"),
            ("Call `f`<b>.", "Call `f` `<b>`."),
            ("<<div\n<`<!-- x", "div\n!-- x"),
            (
                "- a\n  ```\n  x [y](z)\n  ```\n- <i>",
                "- a\n  ```\n  x [y](z)\n  ```\n- `<i>`",
            ),
            ("Call ``a`<b>`` now.", "Call ``a`<b>`` now."),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn nothing_pretends_to_be_code() {
        for (text, want) in [
            ("` <i src=x>", " `<i src=x>`"),
            (r"\`<i src=x>`", "`<i src=x>`"),
            ("`a`` <i src=x> `b", "`a`` <i src=x> `b"),
            (r"a\<i src=x>", "a`<i src=x>`"),
            (r"a\![x](y)`<i src=x>`", "a`<i src=x>`"),
            ("`a\n<i src=x>\nb`", "a\n`<i src=x>`\nb"),
            ("~~~\n<i src=x>", "\n`<i src=x>`"),
            ("````\n```\n<i>\n````\n<i src=x>", "````\n```\n<i>\n````\n`<i src=x>`"),
            ("```\na\n```b\n```\n<i src=x>", "```\na\n```b\n```\n`<i src=x>`"),
            ("<i alt=\"`x`\" src=x>", "i alt=\"`x`\" src=x>"),
            ("a\n    ```\n    <i>\n    ```", "a\n    \n    `<i>`\n    "),
            ("- a\n  ```\n<i>\n```\n<b>", "- a\n  \n`<i>`\n```\n<b>"),
            ("  ```\nx\n```\n<i>", "  \nx\n```\n<i>"),
            ("  ```\n  x\n ```\n<i>", "  \n  x\n \n`<i>`"),
            (
                "<i alt=[<img src=x>](https://shop.example/)>",
                "i alt=[`<img src=x>`](https://shop.example/)>",
            ),
            ("![<b x](y)> <i src=x>", "> `<i src=x>`"),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }
}
