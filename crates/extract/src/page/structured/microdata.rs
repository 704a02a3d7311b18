//! The items of microdata (<https://html.spec.whatwg.org/multipage/microdata.html>) and `RDFa` Lite
//! (<https://www.w3.org/TR/rdfa-lite/>), which differ in little but the names of their attributes, in the form of JSON-LD.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{MAX_DEPTH, MAX_ITEMS, text};
use crate::page::dom::{Dom, Id};

/// Most elements looked at, counting those that `itemref` names again.
const MAX_VISITS: usize = 300_000;
/// Most values of one property.
const MAX_VALUES: usize = 100;
/// Most elements that one `itemref` names.
const MAX_REFERENCES: usize = 16;

/// The names of the attributes.
struct Syntax {
    scope: &'static str,
    kind: &'static str,
    property: &'static str,
}

const MICRODATA: Syntax = Syntax {
    scope: "itemscope",
    kind: "itemtype",
    property: "itemprop",
};
const RDFA: Syntax = Syntax {
    scope: "typeof",
    kind: "typeof",
    property: "property",
};

/// The items that are no part of another one.
pub(super) fn microdata(dom: &Dom) -> Vec<Value> {
    items(dom, &MICRODATA)
}

/// The items that are no part of another one.
pub(super) fn rdfa(dom: &Dom) -> Vec<Value> {
    items(dom, &RDFA)
}

fn items(dom: &Dom, syntax: &Syntax) -> Vec<Value> {
    let top = |id: &Id| dom.attribute(*id, syntax.scope).is_some() && dom.attribute(*id, syntax.property).is_none();
    let scopes: Vec<Id> = dom.descendants(0).filter(top).take(MAX_ITEMS).collect();
    if scopes.is_empty() {
        return Vec::new();
    }
    let mut ids = HashMap::new();
    for id in dom.descendants(0) {
        if let Some(name) = dom.attribute(id, "id") {
            ids.entry(name).or_insert(id);
        }
    }
    let mut walk = Walk {
        dom,
        syntax,
        ids,
        visits: 0,
    };
    scopes.into_iter().map(|id| walk.item(id, 0)).collect()
}

struct Walk<'a> {
    dom: &'a Dom,
    syntax: &'a Syntax,
    ids: HashMap<&'a str, Id>,
    visits: usize,
}

impl Walk<'_> {
    fn item(&mut self, id: Id, depth: usize) -> Value {
        let dom = self.dom;
        let mut object = Map::new();
        let kinds = dom.attribute(id, self.syntax.kind).unwrap_or_default();
        if let Some(kind) = kinds.split_ascii_whitespace().next() {
            object.insert("@type".to_owned(), json!(local_name(kind)));
        }
        self.properties(id + 1, dom.nodes[id].end, depth, &mut object);
        let references = dom.attribute(id, "itemref").unwrap_or_default();
        for name in references.split_ascii_whitespace().take(MAX_REFERENCES) {
            if let Some(&other) = self
                .ids
                .get(name)
                .filter(|other| !(id..dom.nodes[id].end).contains(other))
            {
                self.properties(other, dom.nodes[other].end, depth, &mut object);
            }
        }
        Value::Object(object)
    }

    /// Adds the properties of a range of nodes. An item in it is one value, whose own properties are not ours.
    fn properties(&mut self, start: Id, end: Id, depth: usize, object: &mut Map<String, Value>) {
        let dom = self.dom;
        let (mut at, mut hidden_up_to) = (start, 0);
        while at < end {
            self.visits += 1;
            if self.visits > MAX_VISITS {
                return;
            }
            if at >= hidden_up_to && text::is_unseen(dom, at) {
                hidden_up_to = dom.nodes[at].end;
            }
            let nested = dom.attribute(at, self.syntax.scope).is_some();
            if let Some(names) = dom.attribute(at, self.syntax.property) {
                let value = match nested {
                    true if depth < MAX_DEPTH => Some(self.item(at, depth + 1)),
                    true => None,
                    false => property(dom, at, at < hidden_up_to),
                };
                for name in names.split_ascii_whitespace().take(8) {
                    if let Some(value) = &value {
                        insert(object, local_name(name), value.clone());
                    }
                }
            }
            at = if nested { dom.nodes[at].end } else { at + 1 };
        }
    }
}

/// `https://schema.org/Product`, `schema:Product` and `Product` are one.
fn local_name(name: &str) -> &str {
    name.trim_end_matches('/')
        .rsplit(['/', '#', ':'])
        .next()
        .unwrap_or_default()
}

fn insert(object: &mut Map<String, Value>, name: &str, value: Value) {
    match object.get_mut(name) {
        Some(Value::Array(list)) if list.len() < MAX_VALUES => list.push(value),
        Some(Value::Array(_)) => {}
        Some(first) => *first = json!([first.take(), value]),
        None => {
            object.insert(name.to_owned(), value);
        }
    }
}

/// The value of a property: an attribute made for it, else the text, unless no reader can see it.
fn property(dom: &Dom, id: Id, hidden: bool) -> Option<Value> {
    let attribute = match dom.name(id) {
        "a" | "link" | "area" => "href",
        "img" | "source" | "iframe" | "video" | "audio" | "embed" => "src",
        "object" => "data",
        "time" => "datetime",
        "data" | "meter" => "value",
        _ => "content",
    };
    let value = dom.attribute(id, "content").or_else(|| dom.attribute(id, attribute));
    match value {
        Some(value) => Some(json!(text::cut(value.trim(), text::LONG))),
        None if hidden => None,
        None => Some(json!(text::visible(dom, id, text::LONG))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_items_and_references() {
        let dom = Dom::parse(
            "<div itemscope itemtype='https://schema.org/Product' itemref='more gone'><h1 itemprop='name'>A <b>shirt</b></h1>\
             <div itemprop=offers itemscope itemtype='http://schema.org/Offer'><meta itemprop=price content=9.90><span itemprop=name>offer</span></div>\
             <img itemprop=image src=/1.png><img itemprop=image src=/2.png><p itemprop=sku hidden>secret</p>\
             <div style='display:none'><meta itemprop=mpn content=M1><i itemprop=color>unseen</i></div></div>\
             <p id=more><a itemprop='url sameAs' href=/x>link</a></p>",
        );
        assert_eq!(
            microdata(&dom),
            [json!({
                "@type": "Product", "name": "A shirt", "image": ["/1.png", "/2.png"], "mpn": "M1", "url": "/x", "sameAs": "/x",
                "offers": {"@type": "Offer", "price": "9.90", "name": "offer"},
            })]
        );
    }

    #[test]
    fn rdfa_lite() {
        let dom = Dom::parse(
            "<div vocab='https://schema.org/' typeof='schema:Product'><span property='schema:name'>Shirt</span>\
             <div property=offers typeof=Offer><span property=price content=5>five</span></div></div><meta property='og:title' content=x>",
        );
        assert_eq!(
            rdfa(&dom),
            [json!({"@type": "Product", "name": "Shirt", "offers": {"@type": "Offer", "price": "5"}})]
        );
        assert!(microdata(&dom).is_empty());
    }

    #[test]
    fn loops_and_floods_end() {
        let dom = Dom::parse(
            "<div itemscope id=a itemref=b><i itemprop=x>1</i></div><div id=b itemprop=y itemscope itemref=c></div><div id=c itemprop=z itemscope itemref=b></div>",
        );
        assert_eq!(microdata(&dom)[0]["x"], "1");
        let flood = format!("<div itemscope>{}text", "<i itemprop=a>".repeat(500));
        assert_eq!(
            microdata(&Dom::parse(&flood))[0]["a"].as_array().unwrap().len(),
            MAX_VALUES
        );
    }
}
