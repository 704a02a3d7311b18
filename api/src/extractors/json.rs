//! JSON of strangers: read once, within bounds that no honest request comes near, and with each name once in an object. Readers differ
//! in which of two equal names they take, so that a check before us and we could see two requests.
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::{cell::Cell, fmt};

/// Objects and arrays within each other at most.
const DEPTH: usize = 32;
/// Values of all kinds at most.
const VALUES: usize = 20_000;

/// Reads one document. The error is for the caller to read.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    let left = Cell::new(VALUES);
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = Bounded { depth: 0, left: &left }.deserialize(&mut source);
    let value = value.map_err(|error| error.to_string())?;
    source.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A value at a depth, and how many there may still be.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Bounded<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH {
            return Err(E::custom(format_args!(
                "more than {DEPTH} objects and arrays within each other"
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left
            .set(left.ok_or_else(|| D::Error::custom(format_args!("more than {VALUES} values")))?);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut read = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(inner)?;
            if read.contains_key(&name) {
                let name: String = name.chars().take(50).collect();
                return Err(A::Error::custom(format_args!("the name `{name}` is there twice")));
            }
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_documents_are_read_as_serde_reads_them() {
        for text in [
            "{}",
            "[]",
            "null",
            "\"a\\u0000b\"",
            r#"{"a":{"a":[1,-2,3.5,true,null,"x"]},"b":18446744073709551615}"#,
            " [ 1 , { \"\" : 0 } ] ",
        ] {
            let wanted: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes()).as_ref(), Ok(&wanted), "{text}");
        }
    }

    #[test]
    fn documents_that_no_program_would_send_are_refused() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(nested(DEPTH).as_bytes()).is_ok());
        for (text, why) in [
            (nested(DEPTH + 1), "within each other"),
            ("[".repeat(1 << 20), "within each other"),
            ("{\"a\":".repeat(100_000), "within each other"),
            (format!("[{}1]", "1,".repeat(VALUES)), "values"),
            (r#"{"a":1,"b":2,"a":3}"#.to_owned(), "`a` is there twice"),
            (r#"{"a":1,"\u0061":3}"#.to_owned(), "`a` is there twice"),
            ("{} {}".to_owned(), "trailing"),
            ("1e999".to_owned(), "out of range"),
            ("{\"a\"".to_owned(), "EOF"),
            (String::new(), "EOF"),
        ] {
            let told = read(text.as_bytes()).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        assert!(read(b"\"\xff\"").is_err());
    }
}
