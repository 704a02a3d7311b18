//! Questions, instructions, articles and breadcrumbs that the markup itself names.

use serde_json::{Map, Value, json};

use super::{MAX_DEPTH, put, text, thing::Thing};

/// Most pairs, steps and breadcrumbs kept.
const MAX_PAIRS: usize = 100;
const MAX_STEPS: usize = 100;
const MAX_CRUMBS: usize = 12;

/// The pairs of an `FAQPage` or `QAPage`, or of a `Question` by itself, as plain text.
pub(super) fn pairs(item: Thing<'_>) -> Vec<(String, String)> {
    let own = item.is(&["Question"]).then_some(item);
    let listed = ["mainEntity", "hasPart", "about"]
        .into_iter()
        .flat_map(|key| item.list(key));
    let questions = own
        .into_iter()
        .chain(listed.filter(|it| own.is_none() && it.is(&["Question"])));
    let pair = |question: Thing<'_>| {
        let asked = question.short(&["name", "text"])?;
        let answers = ["acceptedAnswer", "suggestedAnswer"]
            .into_iter()
            .flat_map(|key| question.list(key));
        let answer = answers.filter_map(|answer| {
            answer
                .long(&["text", "description"])
                .or_else(|| answer.text(text::LONG))
        });
        Some((asked, answer.into_iter().next()?))
    };
    questions.filter_map(pair).take(MAX_PAIRS).collect()
}

/// Instructions: `name`, `description`, `total_time` (ISO 8601), `supplies`, `tools`, `steps`.
pub(super) fn how_to(item: Thing<'_>) -> Option<Value> {
    let mut out = Map::new();
    put(&mut out, "name", item.short(&["name", "headline"]));
    put(&mut out, "description", item.long(&["description"]));
    put(&mut out, "total_time", item.short(&["totalTime"]));
    for (name, key) in [("supplies", "supply"), ("tools", "tool")] {
        let texts: Vec<String> = item
            .list(key)
            .filter_map(|it| it.text(text::SHORT))
            .take(MAX_STEPS)
            .collect();
        if !texts.is_empty() {
            out.insert(name.to_owned(), json!(texts));
        }
    }
    let mut all = Vec::new();
    for key in ["step", "steps"] {
        item.list(key).for_each(|step| steps(step, &mut all, 0));
    }
    out.insert("steps".to_owned(), json!(all));
    (!all.is_empty()).then_some(Value::Object(out))
}

/// The text of a step, or of the steps of a section.
fn steps(item: Thing<'_>, out: &mut Vec<String>, depth: usize) {
    if out.len() >= MAX_STEPS || depth > MAX_DEPTH {
        return;
    }
    let before = out.len();
    item.list("itemListElement")
        .for_each(|step| steps(step, out, depth + 1));
    if out.len() == before {
        out.extend(
            item.long(&["text", "description", "name"])
                .or_else(|| item.text(text::LONG)),
        );
    }
}

/// An article: `name`, `authors`, `description`, `section`, `published`, `modified`, `publisher`.
pub(super) fn article(item: Thing<'_>) -> Option<Value> {
    let mut out = Map::new();
    put(&mut out, "name", item.short(&["headline", "name"]));
    put(&mut out, "description", item.long(&["description"]));
    put(&mut out, "section", item.short(&["articleSection"]));
    put(&mut out, "published", item.short(&["datePublished"]));
    put(&mut out, "modified", item.short(&["dateModified"]));
    put(&mut out, "publisher", item.short(&["publisher"]));
    let authors: Vec<String> = item
        .list("author")
        .filter_map(|it| it.text(text::SHORT))
        .take(10)
        .collect();
    if !authors.is_empty() {
        out.insert("authors".to_owned(), json!(authors));
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

/// The way to the page: `items` with `name` and `url`.
pub(super) fn breadcrumbs(item: Thing<'_>) -> Option<Value> {
    let crumb = |element: Thing<'_>| {
        let target = element.get("item");
        let name = element.short(&["name"]).or_else(|| target?.short(&["name"]))?;
        let url = target.and_then(|it| it.addresses("@id", 1).pop().or_else(|| it.addresses("url", 1).pop()));
        let url = url.or_else(|| element.addresses("item", 1).pop());
        Some(json!({ "name": name, "url": url }))
    };
    let items: Vec<Value> = item
        .list("itemListElement")
        .filter_map(crumb)
        .take(MAX_CRUMBS)
        .collect();
    (!items.is_empty()).then(|| json!({ "items": items }))
}
