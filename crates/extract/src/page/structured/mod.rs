//! Structured data of a page: what JSON-LD, microdata, `RDFa` and Open Graph say, brought into one form for each kind, and what
//! can be told from the content itself.
//!
//! The sources ([`json_ld`], [`microdata`], [`open_graph`]) give schema.org items; [`thing`] reads them; one module
//! for a group of kinds ([`product`], [`place`], [`hours`], [`writing`], [`contact`]) shapes them; [`faq`] finds questions without
//! markup. Count, length and total size are bounded, texts are plain, and what is marked as hidden stays out.

mod contact;
mod faq;
mod hours;
mod json_ld;
mod microdata;
mod open_graph;
mod place;
mod product;
mod text;
mod thing;
mod writing;

use std::collections::HashSet;

use ::url::Url;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{MAX_STRUCTURED_BYTES, dom::Dom};
use contact::Contact;
use thing::{Graph, Thing};

pub(super) use json_ld::json_ld;

/// Deepest nesting followed in JSON-LD and microdata.
const MAX_DEPTH: usize = 16;
/// Most items read of one source.
const MAX_ITEMS: usize = 200;
/// Most pieces kept of one page.
const MAX_KEPT: usize = 60;

/// What a piece of structured data is about, and the form of its `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A thing that is sold: `name`, `description`, `sku`, `mpn`, `gtin`, `brand`, `category`, `images`, `url`, `price`
    /// (a decimal number as a string, the lowest one), `price_high`, `currency` (ISO 4217), `availability`, `condition`,
    /// `rating`, `variants`; each where it is known.
    Product,
    /// Questions with answers: `{"questions": [{"question", "answer"}]}`.
    Faq,
    /// Instructions: `name`, `description`, `total_time`, `supplies`, `tools`, `steps`.
    HowTo,
    /// Who runs the site: `name`, `legal_name`, `description`, `url`, `logo`, `email`, `telephone`, `address`, `same_as`.
    Organization,
    /// Ways to reach them: `{"emails": [], "telephones": [], "addresses": []}`.
    Contact,
    /// When they are there: `{"name", "hours": [{"days", "opens", "closes"}]}`.
    OpeningHours,
    /// An article or post: `name`, `authors`, `description`, `section`, `published`, `modified`, `publisher`.
    Article,
    /// Where the page stands in the site: `{"items": [{"name", "url"}]}`.
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
    /// `typeof` attributes (`RDFa` Lite).
    Rdfa,
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
    /// Where it was found; of a merged piece, where first.
    pub source: Source,
    /// The data, in the form of its [`Kind`].
    pub data: Value,
}

/// Everything that was recognised; of one kind only the first source that has it, in the order of [`Source`]. A page's only
/// product is completed by the other sources, and contacts are one list from all of them.
pub(super) fn collect(dom: &Dom, base: &Url, json_ld: &[Value], markdown: &str) -> Vec<Structured> {
    let (micro, rdfa) = (microdata::microdata(dom), microdata::rdfa(dom));
    let open_graph: Vec<Value> = open_graph::item(dom).into_iter().collect();
    let sources = [
        (Source::JsonLd, json_ld),
        (Source::Microdata, &micro),
        (Source::Rdfa, &rdfa),
        (Source::OpenGraph, &open_graph),
    ];
    let mut out: Vec<Structured> = Vec::new();
    let (mut contact, mut contact_source) = (Contact::default(), Source::Heuristic);
    for (source, values) in sources {
        let graph = Graph::new(values, base);
        let things: Vec<Thing<'_>> = values.iter().map(|value| graph.thing(value)).collect();
        add(&mut out, shaped(&things, source));
        let before = contact.is_empty();
        things
            .iter()
            .filter(|it| place::is_organization(**it) || it.is(CONTACTS))
            .for_each(|it| contact.of_item(*it));
        if before && !contact.is_empty() {
            contact_source = source;
        }
    }
    contact.of_links(dom);
    contact.of_foot(dom);
    contact.of_text(markdown);
    let mut told = vec![contact.finish().map(|data| (Kind::Contact, contact_source, data))];
    if !out.iter().any(|it| it.kind == Kind::OpeningHours) {
        told.push(hours::of_foot(dom).map(|data| (Kind::OpeningHours, Source::Heuristic, data)));
    }
    if !out.iter().any(|it| it.kind == Kind::Faq) {
        told.push(questions(faq::pairs(dom, markdown)).map(|data| (Kind::Faq, Source::Heuristic, data)));
    }
    out.extend(
        told.into_iter()
            .flatten()
            .map(|(kind, source, data)| Structured { kind, source, data }),
    );
    bounded(out)
}

/// Items that only say how to reach somebody.
const CONTACTS: &[&str] = &["ContactPoint", "ContactPage", "PostalAddress", "Person"];

/// The pieces that one source gives.
fn shaped(things: &[Thing<'_>], source: Source) -> Vec<Structured> {
    let mut out = Vec::new();
    let mut pairs = Vec::new();
    for thing in things {
        let mut keep = |kind, data: Option<Value>| out.extend(data.map(|data| Structured { kind, source, data }));
        if thing.is(&[
            "Product",
            "ProductGroup",
            "ProductModel",
            "IndividualProduct",
            "Vehicle",
            "Book",
        ]) {
            keep(Kind::Product, product::product(*thing));
        }
        if thing.is(&["FAQPage", "QAPage", "Question"]) {
            pairs.extend(writing::pairs(*thing));
        }
        if thing.is(&["HowTo"]) {
            keep(Kind::HowTo, writing::how_to(*thing));
        }
        if thing.is(&[
            "Article",
            "NewsArticle",
            "BlogPosting",
            "TechArticle",
            "Report",
            "ScholarlyArticle",
        ]) {
            keep(Kind::Article, writing::article(*thing));
        }
        if thing.is(&["BreadcrumbList"]) {
            keep(Kind::Breadcrumb, writing::breadcrumbs(*thing));
        }
        let organized = place::is_organization(*thing);
        if organized {
            keep(Kind::Organization, place::organization(*thing));
        }
        if organized || thing.is(&["Place", "TouristAttraction"]) {
            keep(Kind::OpeningHours, hours::hours(*thing));
        }
    }
    let mut seen = HashSet::new();
    pairs.retain(|(question, _)| seen.insert(question.clone()));
    out.extend(questions(pairs).map(|data| Structured {
        kind: Kind::Faq,
        source,
        data,
    }));
    out
}

fn questions(pairs: Vec<(String, String)>) -> Option<Value> {
    let pairs: Vec<Value> = pairs
        .into_iter()
        .map(|(question, answer)| json!({ "question": question, "answer": answer }))
        .collect();
    (!pairs.is_empty()).then(|| json!({ "questions": pairs }))
}

/// Adds what a source gives of kinds that no source before it gave.
fn add(out: &mut Vec<Structured>, found: Vec<Structured>) {
    let known: HashSet<Kind> = out.iter().map(|item| item.kind).collect();
    let is_product = |item: &&mut Structured| item.kind == Kind::Product;
    if let [one] = &mut out.iter_mut().filter(is_product).collect::<Vec<_>>()[..]
        && let [more] = &found
            .iter()
            .filter(|item| item.kind == Kind::Product)
            .collect::<Vec<_>>()[..]
        && let (Value::Object(own), Value::Object(more)) = (&mut one.data, &more.data)
    {
        for (key, value) in more {
            own.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    for item in found.into_iter().filter(|item| !known.contains(&item.kind)) {
        if !out.contains(&item) {
            out.push(item);
        }
    }
}

/// What fits: a number of pieces, and their bytes as JSON.
fn bounded(found: Vec<Structured>) -> Vec<Structured> {
    let mut left = MAX_STRUCTURED_BYTES - 2;
    let mut out = Vec::new();
    for item in found {
        let bytes = serde_json::to_vec(&item).map_or(usize::MAX, |json| json.len() + 1);
        if bytes <= left && out.len() < MAX_KEPT {
            left -= bytes;
            out.push(item);
        }
    }
    out
}

/// The types of an item: `https://schema.org/Product`, `schema:Product` and `Product` are one.
fn types(value: &Value) -> impl Iterator<Item = &str> {
    let listed = value["@type"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let all = value["@type"].as_str().into_iter().chain(listed);
    all.map(|name| name.rsplit(['/', '#', ':']).next().unwrap_or(name))
}

/// Sets a field that is not set yet.
fn put(out: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value.filter(|value| !value.is_empty() && !out.contains_key(name)) {
        out.insert(name.to_owned(), Value::String(value));
    }
}
