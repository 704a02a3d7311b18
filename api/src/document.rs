//! The contract's document, made whole: calls of one address that stand in several files share one path, which the generator writes
//! once for each file, so that readers of JSON and YAML would take the last one only; and the objects of bodies say that they take no
//! other fields, which is how `extractors::body` reads them.
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_yaml::{Mapping, Value};
use std::{collections::BTreeSet, fmt};

/// The whole document from the generator's JSON.
pub fn whole(generated: &str) -> Result<Value, serde_json::Error> {
    let Merged(mut document) = serde_json::from_str(generated)?;
    let mut names = BTreeSet::new();
    let schemas = document["components"]["schemas"].clone();
    if let Some(paths) = document["paths"].as_mapping() {
        for operation in paths.values().filter_map(Value::as_mapping).flat_map(Mapping::values) {
            reach(&operation["requestBody"], &schemas, &mut names);
        }
    }
    for name in names {
        let schema = &mut document["components"]["schemas"][name.as_str()];
        if let Some(schema) = schema
            .as_mapping_mut()
            .filter(|schema| schema.contains_key("properties"))
        {
            schema.entry("additionalProperties".into()).or_insert(false.into());
        }
    }
    Ok(document)
}

/// Collects the schemas that a part of the document refers to, and those that they refer to.
fn reach(part: &Value, schemas: &Value, names: &mut BTreeSet<String>) {
    match part {
        Value::Mapping(map) => {
            let name = map
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|path| path.rsplit('/').next());
            if let Some(name) = name.filter(|name| names.insert((*name).to_owned())) {
                reach(&schemas[name], schemas, names);
            }
            map.values().for_each(|value| reach(value, schemas, names));
        }
        Value::Sequence(list) => list.iter().for_each(|value| reach(value, schemas, names)),
        _ => {}
    }
}

/// A value in which objects under the same name are one.
struct Merged(Value);

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Mapping(into), Value::Mapping(more)) => {
            more.into_iter().for_each(|(name, value)| insert(into, name, value));
        }
        (into, more) => *into = more,
    }
}

fn insert(into: &mut Mapping, name: Value, value: Value) {
    match into.get_mut(&name) {
        Some(there) => merge(there, value),
        None => drop(into.insert(name, value)),
    }
}

impl<'de> Deserialize<'de> for Merged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Merging)
    }
}

struct Merging;

impl<'de> Visitor<'de> for Merging {
    type Value = Merged;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Merged, E> {
        Ok(Merged(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Merged, E> {
        Ok(Merged(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Merged, E> {
        Ok(Merged(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Merged, E> {
        Ok(Merged(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Merged, E> {
        Ok(Merged(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Merged, E> {
        Ok(Merged(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Merged, A::Error> {
        let mut list = Vec::new();
        while let Some(Merged(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Merged(Value::Sequence(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Merged, A::Error> {
        let mut map = Mapping::new();
        while let Some((name, Merged(value))) = entries.next_entry::<String, Merged>()? {
            insert(&mut map, name.into(), value);
        }
        Ok(Merged(Value::Mapping(map)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_all_of_its_calls_and_bodies_take_no_other_fields() {
        let generated = r##"{"paths": {"/a": {"get": {"operationId": "read"}}, "/b": {}, "/a": {"post": {"operationId": "write",
            "requestBody": {"schema": {"$ref": "#/components/schemas/New"}}}}},
          "components": {"schemas": {"New": {"properties": {"inner": {"$ref": "#/components/schemas/Inner"}}},
            "Inner": {"properties": {}}, "Answer": {"properties": {}}, "Free": {"type": "object"}}}}"##;
        let document = whole(generated).unwrap();
        assert_eq!(document["paths"]["/a"].as_mapping().unwrap().len(), 2);
        let schema = |name: &str| document["components"]["schemas"][name]["additionalProperties"].clone();
        assert_eq!(
            [schema("New"), schema("Inner")],
            [Value::from(false), Value::from(false)]
        );
        assert_eq!([schema("Answer"), schema("Free")], [Value::Null, Value::Null]);
    }
}
