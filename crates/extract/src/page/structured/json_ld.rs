//! The items of `<script type="application/ld+json">`, graphs and lists opened up.

use serde_json::{Deserializer, Value};

use super::{MAX_DEPTH, MAX_ITEMS, types};
use crate::page::dom::Dom;

/// Most bytes read of one block, and of all.
const MAX_BLOCK: usize = 1024 * 1024;
const MAX_BLOCKS_BYTES: usize = 2 * MAX_BLOCK;

/// The items of every JSON-LD block.
pub(in crate::page) fn json_ld(dom: &Dom) -> Vec<Value> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    for id in dom.elements(0, "script") {
        let kind = dom.attribute(id, "type").unwrap_or_default();
        if !kind.trim().to_ascii_lowercase().starts_with("application/ld+json") {
            continue;
        }
        let text: String = dom.children(id).filter_map(|child| dom.text_of(child)).collect();
        bytes += text.len();
        if text.len() > MAX_BLOCK || bytes > MAX_BLOCKS_BYTES {
            break;
        }
        for value in parse(&text) {
            open(value, &mut items, 0);
        }
    }
    items
}

/// The values of a block, several if it has several one after the other. What is broken is mended where only one thing can be
/// meant.
fn parse(text: &str) -> Vec<Value> {
    let text = without_wrapper(text);
    let (values, whole) = read(text);
    if whole {
        return values;
    }
    let (mended, whole) = read(&mend(text));
    if whole || !mended.is_empty() {
        return mended;
    }
    // Escaped for HTML, as if a script's text were an attribute.
    if text.contains("&quot;") || text.contains("&#34;") {
        let mut text = text.replace("&quot;", "\"").replace("&#34;", "\"");
        for (entity, c) in [("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")] {
            text = text.replace(entity, c);
        }
        return read(&mend(&text)).0;
    }
    values
}

fn read(text: &str) -> (Vec<Value>, bool) {
    let mut values = Vec::new();
    for value in Deserializer::from_str(text).into_iter() {
        match value {
            Ok(value) => values.push(value),
            Err(_) => return (values, false),
        }
    }
    (values, true)
}

/// The text without what hides scripts from browsers of another age, and without a closing semicolon.
fn without_wrapper(text: &str) -> &str {
    let mut text = text.trim_start_matches('\u{feff}').trim();
    for begin in [
        "<!--",
        "//<![CDATA[",
        "// <![CDATA[",
        "/*<![CDATA[*/",
        "/* <![CDATA[ */",
        "<![CDATA[",
    ] {
        text = text.strip_prefix(begin).map_or(text, str::trim_start);
    }
    for end in ["-->", "//", "/*]]>*/", "/* ]]> */", "]]>", "//", "*/", ";"] {
        text = text.strip_suffix(end).map_or(text, str::trim_end);
    }
    text
}

/// Mends the faults of hand-made JSON: raw control characters and needless escapes in strings, comments, trailing commas.
fn mend(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => {
                quoted = !quoted;
                out.push(c);
            }
            '\\' if quoted => match rest.chars().next() {
                Some(next @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u')) => {
                    out.extend([c, next]);
                    rest = &rest[1..];
                }
                Some('\n') => rest = &rest[1..],
                _ => {}
            },
            c if quoted && c < ' ' => out.push(' '),
            c if quoted => out.push(c),
            '/' if rest.starts_with('*') => rest = rest.split_once("*/").map_or("", |(_, after)| after),
            '/' if rest.starts_with('/') => rest = rest.split_once('\n').map_or("", |(_, after)| after),
            ',' if rest.trim_start().starts_with([']', '}', ',']) => {}
            c if c < ' ' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Adds the items of a value to the list: those of graphs, lists and item lists, and what a page is mainly about.
fn open(value: Value, items: &mut Vec<Value>, depth: usize) {
    if depth > MAX_DEPTH || items.len() >= MAX_ITEMS {
        return;
    }
    match value {
        Value::Array(list) => list.into_iter().for_each(|item| open(item, items, depth + 1)),
        Value::Object(mut object) => {
            if let Some(graph) = object.remove("@graph") {
                open(graph, items, depth + 1);
            }
            for key in ["mainEntity", "mainEntityOfPage"] {
                if let Some(main) = object
                    .get(key)
                    .filter(|it| it["@type"].is_string() || it["@type"].is_array())
                {
                    open(main.clone(), items, depth + 1);
                }
            }
            let value = Value::Object(object);
            if types(&value).any(|name| name == "ItemList") {
                let elements = value["itemListElement"].as_array().into_iter().flatten();
                for element in elements.map(|it| if it["item"].is_object() { &it["item"] } else { it }) {
                    if types(element).any(|name| name != "ListItem") {
                        open(element.clone(), items, depth + 1);
                    }
                }
            }
            if !value["@type"].is_null() && items.len() < MAX_ITEMS {
                items.push(value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(script: &str) -> Vec<String> {
        let dom = Dom::parse(&format!(
            "<script type='application/ld+json; charset=utf-8'>{script}</script>"
        ));
        let items = json_ld(&dom);
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn graphs_and_lists_are_opened() {
        assert_eq!(
            names(r#"{"@graph":[{"@type":"A","name":"1"},[{"@type":["B"],"name":"2"}]]}"#),
            ["1", "2"]
        );
        assert_eq!(
            names(r#"{"@type":"WebPage","name":"p","mainEntity":{"@type":"A","name":"1"}}"#),
            ["1", "p"]
        );
        let list = r#"{"@type":"ItemList","name":"l","itemListElement":[{"@type":"ListItem","item":{"@type":"A","name":"1"}},{"@type":"B","name":"2"},{"@type":"ListItem","url":"/x"}]}"#;
        assert_eq!(names(list), ["1", "2", "l"]);
        assert_eq!(names(r#"{"@type":"A","name":"1"}{"@type":"A","name":"2"}"#), ["1", "2"]);
        assert_eq!(names("[1, null, \"x\", {}]"), [""; 0]);
    }

    #[test]
    fn broken_blocks_are_mended() {
        for script in [
            "{\"@type\":\"A\",\"name\":\"one\",}",
            "<!-- {\"@type\":\"A\",\"name\":\"one\"} -->",
            "//<![CDATA[\n{\"@type\":\"A\",\"name\":\"one\"}\n//]]>",
            "/*<![CDATA[*/{\"@type\":\"A\",\"name\":\"one\"}/*]]>*/",
            "{\"@type\":\"A\",\"name\":\"one\"};",
            "{\"@type\":\"A\", /* the name */ \"name\":\"one\" // that was it\n}",
            "{\"text\":\"two\nlines\tand a tab\",\"@type\":\"A\",\"name\":\"one\"}",
            "{\"text\":\"it\\'s \\x\",\"url\":\"https://e.com//x\",\"@type\":\"A\",\"name\":\"one\"}",
            "{&quot;@type&quot;:&quot;A&quot;,&quot;name&quot;:&quot;one&quot;}",
            "\u{feff}{\"list\":[1,2,,],\"@type\":\"A\",\"name\":\"one\"}",
            "{\"@type\":\"A\",\"name\":\"one\"} <p>rubbish",
        ] {
            assert_eq!(names(script), ["one"], "{script}");
        }
        assert!(names("{\"@type\":\"A\",\"name\":").is_empty());
        assert!(names(&format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))).is_empty());
    }
}
