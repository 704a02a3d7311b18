//! Structured data of a page: JSON-LD first, then microdata, Open Graph, and what can be told from the content itself.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    dom::{Dom, Id},
    meta,
};

/// Deepest nesting followed in JSON-LD and microdata.
const MAX_DEPTH: usize = 16;
/// Most items kept of one page.
const MAX_ITEMS: usize = 200;

/// What a piece of structured data is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A thing that is sold.
    Product,
    /// Questions with answers: `{"questions": [{"question", "answer"}]}`.
    Faq,
    /// Who runs the site.
    Organization,
    /// Ways to reach them: `{"emails": [], "telephones": []}`, or a schema.org `ContactPoint`.
    Contact,
    /// An article or post.
    Article,
    /// Where the page stands in the site.
    Breadcrumb,
}

/// Where a piece of structured data was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `<script type="application/ld+json">`.
    JsonLd,
    /// `itemscope` attributes.
    Microdata,
    /// `og:` and `product:` meta elements.
    OpenGraph,
    /// Headings and links of the content.
    Heuristic,
}

/// One piece of structured data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Structured {
    /// What it is about.
    pub kind: Kind,
    /// Where it was found.
    pub source: Source,
    /// The data; for JSON-LD and microdata the item with its schema.org properties.
    pub data: Value,
}

/// The items of every JSON-LD block, graphs and lists opened up.
pub(super) fn json_ld(dom: &Dom) -> Vec<Value> {
    let mut items = Vec::new();
    for id in dom.elements(0, "script") {
        let kind = dom.attribute(id, "type").unwrap_or_default();
        if !kind.trim().to_ascii_lowercase().starts_with("application/ld+json") {
            continue;
        }
        let text: String = dom.children(id).filter_map(|child| dom.text_of(child)).collect();
        let text = text
            .trim()
            .trim_start_matches("<!--")
            .trim_end_matches("-->")
            .trim_end_matches(';');
        // Raw line breaks inside strings are the most common fault of hand-made blocks.
        let parsed =
            serde_json::from_str(text).or_else(|_| serde_json::from_str(&text.replace(['\n', '\r', '\t'], " ")));
        if let Ok(value) = parsed {
            open(value, &mut items, 0);
        }
    }
    items
}

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
            if let Some(main) = object.get("mainEntity").filter(|it| it.is_object()).cloned() {
                open(main, items, depth + 1);
            }
            if object.contains_key("@type") {
                items.push(Value::Object(object));
            }
        }
        _ => {}
    }
}

/// Everything that was recognised; of one kind only the first source that has it, in the order of [`Source`].
pub(super) fn collect(dom: &Dom, json_ld: &[Value], markdown: &str) -> Vec<Structured> {
    let sources = [
        items(json_ld, Source::JsonLd),
        items(&microdata(dom), Source::Microdata),
        open_graph(dom),
        heuristic(dom, markdown),
    ];
    let mut out: Vec<Structured> = Vec::new();
    for found in sources {
        let known: HashSet<Kind> = out.iter().map(|item| item.kind).collect();
        out.extend(found.into_iter().filter(|item| !known.contains(&item.kind)));
    }
    out.truncate(MAX_ITEMS);
    out
}

fn items(values: &[Value], source: Source) -> Vec<Structured> {
    let recognise = |value: &Value| {
        let kind = types(value).find_map(kind_of)?;
        let data = if kind == Kind::Faq { faq(value)? } else { value.clone() };
        Some(Structured { kind, source, data })
    };
    values.iter().filter_map(recognise).collect()
}

fn types(value: &Value) -> impl Iterator<Item = &str> {
    let listed = value["@type"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    value["@type"].as_str().into_iter().chain(listed)
}

fn kind_of(name: &str) -> Option<Kind> {
    let name = name.rsplit(['/', '#', ':']).next().unwrap_or(name);
    Some(match name {
        "Product" | "ProductGroup" | "ProductModel" | "IndividualProduct" => Kind::Product,
        "FAQPage" | "QAPage" => Kind::Faq,
        "Organization"
        | "Corporation"
        | "LocalBusiness"
        | "Store"
        | "OnlineStore"
        | "OnlineBusiness"
        | "Restaurant"
        | "ProfessionalService" => Kind::Organization,
        "ContactPoint" | "ContactPage" | "PostalAddress" => Kind::Contact,
        "Article" | "NewsArticle" | "BlogPosting" | "TechArticle" | "Report" | "HowTo" => Kind::Article,
        "BreadcrumbList" => Kind::Breadcrumb,
        _ => return None,
    })
}

/// The pairs of an `FAQPage` or `QAPage`, as plain text.
fn faq(page: &Value) -> Option<Value> {
    let entities = &page["mainEntity"];
    let list: Vec<&Value> = match entities {
        Value::Array(list) => list.iter().collect(),
        Value::Object(_) => vec![entities],
        _ => Vec::new(),
    };
    let pair = |item: &Value| {
        let question = plain(item["name"].as_str().or(item["text"].as_str())?);
        let accepted = [&item["acceptedAnswer"], &item["suggestedAnswer"]];
        let answer = accepted
            .iter()
            .find_map(|it| it["text"].as_str().or(it[0]["text"].as_str()))?;
        Some(json!({ "question": question, "answer": plain(answer) }))
    };
    let pairs: Vec<Value> = list.into_iter().filter_map(pair).collect();
    (!pairs.is_empty()).then(|| json!({ "questions": pairs }))
}

/// Answers in JSON-LD may be HTML.
fn plain(text: &str) -> String {
    if text.contains('<') || text.contains('&') {
        let dom = Dom::parse(&super::guard::bounded(text));
        dom.text(0)
    } else {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn microdata(dom: &Dom) -> Vec<Value> {
    let top = |id: &Id| dom.attribute(*id, "itemscope").is_some() && dom.attribute(*id, "itemprop").is_none();
    dom.descendants(0)
        .filter(top)
        .take(MAX_ITEMS)
        .map(|id| item(dom, id, 0))
        .collect()
}

fn item(dom: &Dom, id: Id, depth: usize) -> Value {
    let mut object = Map::new();
    if let Some(kind) = dom.attribute(id, "itemtype") {
        let name = kind
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default()
            .rsplit('/')
            .next()
            .unwrap_or_default();
        object.insert("@type".to_owned(), json!(name));
    }
    let mut at = id + 1;
    while at < dom.nodes[id].end {
        let nested = dom.attribute(at, "itemscope").is_some();
        if let Some(names) = dom.attribute(at, "itemprop") {
            let value = if nested && depth < MAX_DEPTH {
                item(dom, at, depth + 1)
            } else {
                property(dom, at)
            };
            for name in names.split_ascii_whitespace() {
                insert(&mut object, name, value.clone());
            }
        }
        at = if nested { dom.nodes[at].end } else { at + 1 };
    }
    Value::Object(object)
}

fn insert(object: &mut Map<String, Value>, name: &str, value: Value) {
    match object.get_mut(name) {
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = json!([first.take(), value]),
        None => {
            object.insert(name.to_owned(), value);
        }
    }
}

fn property(dom: &Dom, id: Id) -> Value {
    let attribute = match dom.name(id) {
        "a" | "link" | "area" => "href",
        "img" | "source" | "iframe" | "video" | "audio" | "embed" => "src",
        "time" => "datetime",
        "data" | "meter" => "value",
        _ => "content",
    };
    let value = dom.attribute(id, "content").or_else(|| dom.attribute(id, attribute));
    value.map_or_else(|| json!(dom.text(id)), |value| json!(value.trim()))
}

fn open_graph(dom: &Dom) -> Vec<Structured> {
    let kind = match meta::content(dom, "og:type").unwrap_or_default() {
        kind if kind.contains("product") => Kind::Product,
        "article" => Kind::Article,
        _ => return Vec::new(),
    };
    let mut data = Map::new();
    let fields = [
        ("name", "og:title"),
        ("description", "og:description"),
        ("image", "og:image"),
        ("url", "og:url"),
        ("price", "product:price:amount"),
        ("price", "og:price:amount"),
        ("priceCurrency", "product:price:currency"),
        ("priceCurrency", "og:price:currency"),
        ("availability", "product:availability"),
        ("brand", "product:brand"),
        ("sku", "product:retailer_item_id"),
    ];
    for (field, name) in fields {
        if let Some(value) = meta::content(dom, name).filter(|_| !data.contains_key(field)) {
            data.insert(field.to_owned(), json!(value));
        }
    }
    vec![Structured {
        kind,
        source: Source::OpenGraph,
        data: Value::Object(data),
    }]
}

fn heuristic(dom: &Dom, markdown: &str) -> Vec<Structured> {
    let mut out = Vec::new();
    let source = Source::Heuristic;
    let contact = |scheme: &str| {
        let hrefs = dom
            .elements(0, "a")
            .filter_map(|id| dom.attribute(id, "href").map(str::trim));
        let matching = hrefs.filter(|href| {
            href.get(..scheme.len())
                .is_some_and(|it| it.eq_ignore_ascii_case(scheme))
        });
        let mut found: Vec<String> = Vec::new();
        for href in matching {
            let address = href[scheme.len()..].split('?').next().unwrap_or_default().trim();
            let address = address.replace("%20", " ");
            if !address.is_empty() && address.len() <= 254 && found.len() < 20 && !found.contains(&address) {
                found.push(address);
            }
        }
        found
    };
    let (emails, telephones) = (contact("mailto:"), contact("tel:"));
    if !emails.is_empty() || !telephones.is_empty() {
        out.push(Structured {
            kind: Kind::Contact,
            source,
            data: json!({ "emails": emails, "telephones": telephones }),
        });
    }
    let questions = questions(markdown);
    // One heading with a question mark is rhetoric, not a list of questions.
    if questions.len() >= 2 {
        out.push(Structured {
            kind: Kind::Faq,
            source,
            data: json!({ "questions": questions }),
        });
    }
    out
}

/// Headings that ask, with the text up to the next heading.
fn questions(markdown: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let mut open: Option<(&str, String)> = None;
    let mut fenced = false;
    let close = |open: Option<(&str, String)>, out: &mut Vec<Value>| {
        if let Some((question, answer)) = open.filter(|(_, answer)| !answer.trim().is_empty()) {
            out.push(json!({ "question": question, "answer": answer.trim() }));
        }
    };
    for line in markdown.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let heading = line
            .starts_with('#')
            .then(|| line.trim_start_matches('#').trim())
            .filter(|_| !fenced);
        match heading {
            Some(heading) => {
                close(open.take(), &mut out);
                open = heading.ends_with(['?', '？', '؟']).then(|| (heading, String::new()));
            }
            None => {
                if let Some((_, answer)) = &mut open {
                    answer.push_str(line);
                    answer.push('\n');
                }
            }
        }
    }
    close(open, &mut out);
    out.truncate(MAX_ITEMS);
    out
}
