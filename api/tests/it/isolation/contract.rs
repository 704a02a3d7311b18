//! The contract as tests need it: calls with their credentials, and requests that are right in form.
use poem::http::Method;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, sync::LazyLock};
use uuid::Uuid;

/// The generated contract.
pub static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

/// Values for fields whose rules the contract tells in words only.
const WORDS: [(&str, &str); 10] = [
    ("cron", "0 3 * * *"),
    ("domain", "shop.example"),
    ("email", "ada@mail.example"),
    ("host", "shop.example"),
    ("hosts", "shop.example"),
    ("scopes", "chat"),
    ("events", "handoff.requested"),
    ("url", "https://shop.example/"),
    ("urls", "https://shop.example/"),
    ("password", "correct horse battery staple"),
];

pub struct Contract {
    schemas: Value,
    pub schemes: BTreeSet<String>,
    pub operations: Vec<Operation>,
}

/// A call.
#[derive(Clone)]
pub struct Operation {
    pub method: Method,
    pub path: String,
    pub id: String,
    /// The credentials that it takes; none for a public call.
    pub schemes: BTreeSet<String>,
    pub parameters: Vec<Parameter>,
    /// The body's schema.
    pub body: Option<Value>,
}

#[derive(Clone)]
pub struct Parameter {
    pub name: String,
    pub place: String,
    pub required: bool,
    pub schema: Value,
}

/// A field of a body: where it is, its name, and its schema.
pub struct Field {
    pub pointer: String,
    pub name: String,
    pub schema: Value,
}

impl Contract {
    fn read() -> Self {
        let whole: Value = serde_yaml::from_str(&api::openapi_yaml()).unwrap();
        let paths = whole["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods
                .iter()
                .map(move |(method, operation)| Operation::read(method, path, operation))
        });
        let schemes = whole["components"]["securitySchemes"].as_object().unwrap();
        Self {
            operations: operations.collect(),
            schemes: schemes.keys().cloned().collect(),
            schemas: whole["components"]["schemas"].clone(),
        }
    }

    /// A schema without references.
    fn resolve(&self, schema: &Value) -> Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            return self.resolve(&self.schemas[name]);
        }
        let Some(parts) = schema["allOf"].as_array() else {
            return schema.clone();
        };
        let mut whole = Map::new();
        for part in parts.iter().chain([schema]) {
            let part = if part == schema {
                part.clone()
            } else {
                self.resolve(part)
            };
            whole.extend(
                part.as_object()
                    .unwrap()
                    .clone()
                    .into_iter()
                    .filter(|(name, _)| name != "allOf"),
            );
        }
        Value::Object(whole)
    }

    /// The least value that the schema allows.
    pub fn example(&self, name: &str, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(first) = schema["enum"].as_array().and_then(|words| words.first()) {
            return first.clone();
        }
        match schema["type"].as_str().unwrap_or("object") {
            "string" => json!(text(name, &schema)),
            "integer" | "number" => json!(schema["minimum"].as_f64().map_or(1, |least| least as i64).max(1)),
            "boolean" => json!(false),
            "array" => {
                let least = schema["minItems"]
                    .as_u64()
                    .unwrap_or(u64::from(WORDS.iter().any(|(word, _)| *word == name)));
                (0..least).map(|_| self.example(name, &schema["items"])).collect()
            }
            _ => {
                let required = schema["required"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let fields = required.map(|name| (name.to_owned(), self.example(name, &schema["properties"][name])));
                Value::Object(fields.collect())
            }
        }
    }

    /// All fields of a body that hold a text, with the objects and lists on the way to them.
    pub fn texts(&self, schema: &Value) -> Vec<Field> {
        let mut found = Vec::new();
        self.walk(schema, "", "", &mut found, 0);
        found
    }

    fn walk(&self, schema: &Value, pointer: &str, name: &str, found: &mut Vec<Field>, depth: u32) {
        let schema = self.resolve(schema);
        match schema["type"].as_str().unwrap_or("object") {
            "string" => found.push(Field {
                pointer: pointer.to_owned(),
                name: name.to_owned(),
                schema,
            }),
            "array" => self.walk(&schema["items"], &format!("{pointer}/0"), name, found, depth + 1),
            "object" if depth < 6 => {
                for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                    self.walk(property, &format!("{pointer}/{name}"), name, found, depth + 1);
                }
            }
            _ => {}
        }
    }
}

impl Operation {
    fn read(method: &str, path: &str, operation: &Value) -> Self {
        let alternatives = operation["security"].as_array().into_iter().flatten();
        let schemes = alternatives
            .flat_map(|all| all.as_object().unwrap().keys().cloned())
            .collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        Self {
            method: method.to_uppercase().parse().unwrap(),
            path: path.to_owned(),
            id: operation["operationId"]
                .as_str()
                .expect("every call has an operationId")
                .to_owned(),
            schemes,
            parameters: parameters.map(Parameter::read).collect(),
            body: Some(body.clone()).filter(|body| !body.is_null()),
        }
    }

    pub fn takes(&self, scheme: &str) -> bool {
        self.schemes.contains(scheme)
    }

    /// What it takes is a signature over the body.
    pub fn is_signed(&self) -> bool {
        self.schemes.iter().any(|scheme| scheme.ends_with("_signature"))
    }

    pub fn is_public(&self) -> bool {
        self.schemes.is_empty()
    }

    /// How many ids the path has.
    pub fn placeholders(&self) -> usize {
        self.path.matches('{').count()
    }

    /// The path with these values in its places, and the query parameters that must be there.
    pub fn url(&self, values: &[String]) -> String {
        self.asking(values, &[])
    }

    /// The same with these query parameters.
    pub fn asking(&self, values: &[String], given: &[(&str, &str)]) -> String {
        let mut url = String::new();
        let mut values = values.iter();
        for (at, part) in self.path.split('{').enumerate() {
            let rest = if at == 0 {
                part
            } else {
                url.push_str(values.next().expect("a value for each place"));
                part.split_once('}').unwrap().1
            };
            url.push_str(rest);
        }
        let queried = self.parameters.iter().filter(|parameter| parameter.place == "query");
        let query: Vec<String> = queried
            .filter_map(|parameter| {
                let name = parameter.name.as_str();
                let given = given
                    .iter()
                    .find(|(own, _)| *own == name)
                    .map(|(_, value)| (*value).to_owned());
                let needed = || {
                    parameter
                        .required
                        .then(|| plain(&CONTRACT.example(name, &parameter.schema)))
                };
                given.or_else(needed).map(|value| format!("{name}={value}"))
            })
            .collect();
        if query.is_empty() {
            url
        } else {
            format!("{url}?{}", query.join("&"))
        }
    }

    /// Values that are right in form and name nothing that there is.
    pub fn unknown(&self) -> Vec<String> {
        let places = self.parameters.iter().filter(|parameter| parameter.place == "path");
        places
            .map(|place| {
                if place.is_uuid() {
                    Uuid::now_v7().to_string()
                } else {
                    "shop.example".to_owned()
                }
            })
            .collect()
    }

    /// A body that is right in form; `null` for none.
    pub fn body(&self) -> Value {
        self.body
            .as_ref()
            .map_or(Value::Null, |schema| CONTRACT.example("", schema))
    }
}

impl Parameter {
    fn read(parameter: &Value) -> Self {
        let text = |name: &str| parameter[name].as_str().unwrap().to_owned();
        Self {
            name: text("name"),
            place: text("in"),
            required: parameter["required"] == true,
            schema: parameter["schema"].clone(),
        }
    }

    pub fn is_uuid(&self) -> bool {
        self.schema["format"] == "uuid"
    }
}

/// The body with a value at a place, which is made where it is not.
pub fn put(body: &Value, pointer: &str, value: Value) -> Value {
    let mut whole = body.clone();
    let mut at = &mut whole;
    for step in pointer.split('/').skip(1) {
        at = if step == "0" {
            if !at.is_array() {
                *at = json!([null]);
            }
            let list = at.as_array_mut().unwrap();
            if list.is_empty() {
                list.push(Value::Null);
            }
            &mut list[0]
        } else {
            if !at.is_object() {
                *at = json!({});
            }
            at.as_object_mut().unwrap().entry(step).or_insert(Value::Null)
        };
    }
    *at = value;
    whole
}

fn text(name: &str, schema: &Value) -> String {
    let known = match schema["format"].as_str() {
        Some("uuid") => Some(Uuid::now_v7().to_string()),
        Some("date-time") => Some("2026-01-01T00:00:00Z".to_owned()),
        Some("date" | "naive-date") => Some("2026-01-01".to_owned()),
        _ => WORDS
            .iter()
            .find(|(word, _)| *word == name)
            .map(|(_, text)| (*text).to_owned()),
    };
    known.unwrap_or_else(|| {
        let least = schema["minLength"].as_u64().unwrap_or(1).max(1) as usize;
        "scrape".repeat(least.div_ceil(6))
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
