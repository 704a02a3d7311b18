//! JSON bodies. The contract's own schema says which fields break which rule, so that what is documented is what is checked.
use domain::{Error, FieldError, error::Kind};
use poem::{FromRequest, Request, RequestBody, Result, http::StatusCode};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    error::ContentTypeError,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
    types::{ParseFromJSON, Type},
};
use serde_json::{Map, Value};
use std::mem;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{json, wiped::Wiped};
use crate::error::Failure;

/// A body of the shape `T`, and as it was sent.
pub struct Body<T>(pub T, pub Value);

/// A body of the shape `T` with secrets in it: what it came as is overwritten, and nothing but `T` is left of it.
pub struct SecretBody<T>(pub T);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(meta::<T>())
    }

    async fn from_request(req: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let (parsed, mut value) = read::<T>(req, body).await?;
        Ok(Self(parsed, mem::take(&mut value.0)))
    }
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for SecretBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(meta::<T>())
    }

    async fn from_request(req: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let (parsed, _) = read::<T>(req, body).await?;
        Ok(Self(parsed))
    }
}

fn meta<T: Type>() -> MetaRequest {
    MetaRequest {
        description: None,
        content: vec![MetaMediaType {
            content_type: "application/json",
            schema: T::schema_ref(),
        }],
        required: true,
    }
}

async fn read<T: ParseFromJSON>(req: &Request, body: &mut RequestBody) -> Result<(T, Wiped)> {
    let kind = req.content_type().ok_or(ContentTypeError::ExpectContentType)?;
    if !Json::<T>::check_content_type(kind) {
        let content_type = kind.to_owned();
        return Err(ContentTypeError::NotSupported { content_type }.into());
    }
    let bytes = Zeroizing::new(<Vec<u8> as FromRequest>::from_request(req, body).await?);
    let value = Wiped(json::read(&bytes).map_err(|error| {
        Failure::with_status(
            StatusCode::BAD_REQUEST,
            "malformed_json",
            format!("the body is not JSON: {error}"),
        )
    })?);
    let mut fields = Vec::new();
    nuls(&value.0, "", &mut fields);
    if !fields.is_empty() {
        return Err(Failure::from(refusal(fields)).into());
    }
    match T::parse_from_json(Some(value.0.clone())) {
        Ok(parsed) => match coerced::<T>(&value.0) {
            fields if fields.is_empty() => Ok((parsed, value)),
            fields => Err(Failure::from(refusal(fields)).into()),
        },
        Err(error) => Err(Failure::from(refusal(reasons::<T>(&value.0, error.message()))).into()),
    }
}

/// Tells of so many fields, and of so much of their names, at most: a refusal is no longer than what it refuses.
const FIELDS: usize = 50;
const NAME: usize = 200;

fn refusal(mut fields: Vec<FieldError>) -> Error {
    let more = fields.len().saturating_sub(FIELDS);
    fields.truncate(FIELDS);
    for field in &mut fields {
        if let Some((end, _)) = field.field.char_indices().nth(NAME) {
            field.field.truncate(end);
            field.field.push('…');
        }
    }
    let mut told: Vec<String> = fields.iter().map(|f| format!("{} {}", f.field, f.reason)).collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Error::new(Kind::Invalid(fields), "invalid_request", told.join("; "))
}

/// Numbers and truths where the contract has a text: the parser would write them as one.
fn coerced<T: Type>(value: &Value) -> Vec<FieldError> {
    let mut fields = broken::<T>(value);
    fields.retain(|field| field.reason.ends_with("must be a string"));
    fields
}

/// Why `value` is no `T`; the parser's own `message` if the schema tells of nothing.
fn reasons<T: Type>(value: &Value, message: &str) -> Vec<FieldError> {
    let mut fields = broken::<T>(value);
    if fields.is_empty() {
        fields.push(field("body", message));
    }
    fields
}

/// Texts with a NUL, which Postgres can't hold, wherever they stand.
fn nuls(value: &Value, name: &str, fields: &mut Vec<FieldError>) {
    match value {
        Value::String(text) if text.contains('\0') => fields.push(field(name, "contains a NUL")),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                nuls(item, &format!("{name}[{at}]"), fields);
            }
        }
        Value::Object(object) => {
            for (inner, item) in object {
                let name = if name.is_empty() {
                    inner.clone()
                } else {
                    format!("{name}.{inner}")
                };
                nuls(item, &name, fields);
            }
        }
        _ => {}
    }
}

fn field(field: &str, reason: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        reason: reason.into(),
    }
}

/// Every field that breaks a rule of the schema of `T`.
fn broken<T: Type>(value: &Value) -> Vec<FieldError> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let reference = T::schema_ref();
    let Some(schema) = resolve(&reference, &registry) else {
        return Vec::new();
    };
    let Some(object) = value.as_object() else {
        return vec![field("body", "must be a JSON object")];
    };
    let mut fields = Vec::new();
    object_breaks(object, schema, &registry, "", &mut fields);
    fields
}

/// The same for an object whose fields' names begin with `within`.
fn object_breaks(
    object: &Map<String, Value>,
    schema: &MetaSchema,
    registry: &Registry,
    within: &str,
    fields: &mut Vec<FieldError>,
) {
    let known = |name: &str| schema.properties.iter().any(|(property, _)| *property == name);
    let unknown = object.keys().filter(|name| !known(name));
    fields.extend(unknown.map(|name| field(&format!("{within}{name}"), "is not known here")));
    let given = |name: &str| object.get(name).is_some_and(|value| !value.is_null());
    let missing = schema.required.iter().filter(|name| !given(name));
    fields.extend(missing.map(|name| field(&format!("{within}{name}"), "is required")));
    for (name, property) in &schema.properties {
        let Some(value) = object.get(*name).filter(|value| !value.is_null()) else {
            continue;
        };
        let name = format!("{within}{name}");
        if let Some(reason) = breaks(value, property, registry) {
            fields.push(field(&name, reason));
        } else {
            inner_breaks(value, property, registry, &name, fields);
        }
    }
}

/// The same for the objects in a field's value.
fn inner_breaks(value: &Value, of: &MetaSchemaRef, registry: &Registry, name: &str, fields: &mut Vec<FieldError>) {
    let Some(schema) = resolve(of, registry) else { return };
    match value {
        Value::Object(object) if !schema.properties.is_empty() => {
            object_breaks(object, schema, registry, &format!("{name}."), fields);
        }
        Value::Array(items) => {
            let Some(each) = schema.items.as_deref() else { return };
            for (at, item) in items.iter().enumerate() {
                inner_breaks(item, each, registry, &format!("{name}[{at}]"), fields);
            }
        }
        _ => {}
    }
}

fn resolve<'a>(reference: &'a MetaSchemaRef, registry: &'a Registry) -> Option<&'a MetaSchema> {
    match reference {
        MetaSchemaRef::Inline(schema) => Some(schema),
        MetaSchemaRef::Reference(name) => registry.schemas.get(name),
    }
}

/// Which rule of a field's schema a value breaks.
fn breaks(value: &Value, reference: &MetaSchemaRef, registry: &Registry) -> Option<String> {
    let schema = resolve(reference, registry)?;
    if let Some(reason) = schema.all_of.iter().find_map(|part| breaks(value, part, registry)) {
        return Some(reason);
    }
    let fits = match schema.ty {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    if !fits {
        let article = if matches!(schema.ty, "integer" | "array" | "object") {
            "an"
        } else {
            "a"
        };
        return Some(format!("must be {article} {}", schema.ty));
    }
    if !schema.enum_items.is_empty() && !schema.enum_items.contains(value) {
        let words: Vec<_> = schema.enum_items.iter().filter_map(Value::as_str).collect();
        return Some(format!("must be one of {}", words.join(", ")));
    }
    match value {
        Value::String(text) => text_breaks(text, schema),
        Value::Number(number) => number_breaks(number.as_f64()?, schema),
        Value::Array(items) => items_break(items, schema, registry),
        _ => None,
    }
}

fn text_breaks(text: &str, schema: &MetaSchema) -> Option<String> {
    let length = text.chars().count();
    let (least, most) = (schema.min_length.unwrap_or(0), schema.max_length.unwrap_or(usize::MAX));
    if !(least..=most).contains(&length) {
        return Some(format!("must have {}, not {length}", range(least, most, "characters")));
    }
    (schema.format == Some("uuid") && text.parse::<Uuid>().is_err()).then(|| "must be a UUID".to_owned())
}

fn number_breaks(number: f64, schema: &MetaSchema) -> Option<String> {
    let (least, most) = (schema.minimum.unwrap_or(f64::MIN), schema.maximum.unwrap_or(f64::MAX));
    let wrong = !(least..=most).contains(&number);
    wrong.then(|| match (schema.minimum, schema.maximum) {
        (Some(least), Some(most)) => format!("must be between {least} and {most}"),
        (Some(least), None) => format!("must be at least {least}"),
        _ => format!("must be at most {most}"),
    })
}

fn items_break(items: &[Value], schema: &MetaSchema, registry: &Registry) -> Option<String> {
    let (least, most) = (schema.min_items.unwrap_or(0), schema.max_items.unwrap_or(usize::MAX));
    if !(least..=most).contains(&items.len()) {
        return Some(format!(
            "must have {}, not {}",
            range(least, most, "items"),
            items.len()
        ));
    }
    let each = schema.items.as_deref()?;
    let mut numbered = items.iter().enumerate();
    numbered.find_map(|(i, item)| breaks(item, each, registry).map(|reason| format!("item {} {reason}", i + 1)))
}

fn range(least: usize, most: usize, what: &str) -> String {
    match (least, most) {
        (0, most) => format!("at most {most} {what}"),
        (least, usize::MAX) => format!("at least {least} {what}"),
        (least, most) => format!("{least} to {most} {what}"),
    }
}
