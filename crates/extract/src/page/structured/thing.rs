//! A schema.org item as its readers want it: values behind lists, references and wrappers.

use std::collections::HashMap;

use ::url::Url;
use serde_json::Value;

use super::text;

/// The items of a page that have an `@id`, which other items refer to by it.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    by_id: HashMap<&'a str, &'a Value>,
    base: &'a Url,
}

impl<'a> Graph<'a> {
    pub fn new(items: &'a [Value], base: &'a Url) -> Self {
        let named = items.iter().filter_map(|item| Some((item["@id"].as_str()?, item)));
        Self {
            by_id: named.collect(),
            base,
        }
    }

    /// An item for reading.
    pub fn thing(&'a self, value: &'a Value) -> Thing<'a> {
        Thing { value, graph: self }
    }
}

/// An item, or a value that stands in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing<'a> {
    value: &'a Value,
    graph: &'a Graph<'a>,
}

impl<'a> Thing<'a> {
    /// The values of a property, references followed once.
    pub fn list(self, key: &str) -> impl Iterator<Item = Thing<'a>> {
        let value = &self.value[key];
        let (one, many) = match value {
            Value::Null => (None, None),
            Value::Array(list) => (None, Some(list)),
            value => (Some(value), None),
        };
        let graph = self.graph;
        let values = one.into_iter().chain(many.into_iter().flatten()).take(super::MAX_ITEMS);
        values.map(move |value| {
            let reference = value
                .as_object()
                .filter(|object| object.len() <= 2)
                .and_then(|object| object.get("@id"));
            let target = reference.and_then(Value::as_str).and_then(|id| graph.by_id.get(id));
            graph.thing(target.copied().unwrap_or(value))
        })
    }

    /// The first value of a property.
    pub fn get(self, key: &str) -> Option<Thing<'a>> {
        self.list(key).next()
    }

    /// Whether the item is of one of the types.
    pub fn is(self, names: &[&str]) -> bool {
        super::types(self.value).any(|name| names.contains(&name))
    }

    /// Whether the item says what it is.
    pub fn has_type(self) -> bool {
        super::types(self.value).next().is_some()
    }

    /// The value itself as plain text: a string, a number, or the name, value or address of an item.
    pub fn text(self, limit: usize) -> Option<String> {
        let text = match self.value {
            Value::String(text) => text::plain(text, limit),
            Value::Number(number) => number.to_string(),
            Value::Object(object) => {
                let keys = ["@value", "name", "text", "value", "url", "@id"];
                match keys.iter().find_map(|key| object.get(*key)) {
                    Some(Value::String(text)) => text::plain(text, limit),
                    Some(Value::Number(number)) => number.to_string(),
                    _ => String::new(),
                }
            }
            _ => String::new(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// The first of the properties that has a short text.
    pub fn short(self, keys: &[&str]) -> Option<String> {
        keys.iter()
            .find_map(|key| self.list(key).find_map(|it| it.text(text::SHORT)))
    }

    /// The first of the properties that has a text.
    pub fn long(self, keys: &[&str]) -> Option<String> {
        keys.iter()
            .find_map(|key| self.list(key).find_map(|it| it.text(text::LONG)))
    }

    /// The web addresses of a property, resolved, at most `most`.
    pub fn addresses(self, key: &str, most: usize) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for it in self.list(key) {
            let text = it.value.as_str().map(str::to_owned);
            let text = text.or_else(|| it.short(&["url", "contentUrl", "@id"]));
            let url = text
                .filter(|text| !text.is_empty() && text.len() <= 2000)
                .and_then(|text| self.graph.base.join(text.trim()).ok());
            let url = url
                .filter(|url| matches!(url.scheme(), "http" | "https"))
                .map(String::from);
            out.extend(url.filter(|url| !out.contains(url)));
            if out.len() >= most {
                break;
            }
        }
        out
    }
}
