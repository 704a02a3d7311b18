//! JSON that may hold secrets, and is overwritten when nobody needs it any more.
use serde_json::Value;
use zeroize::Zeroize;

/// A value whose texts are overwritten at its end.
pub struct Wiped(pub Value);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites every text of a value. Names of fields are the contract's, and numbers are no secrets.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_text_is_left_wherever_it_stands() {
        let mut value = json!({ "password": "a", "more": [{ "code": "b" }, "c"], "n": 1 });
        wipe(&mut value);
        assert_eq!(value, json!({ "password": "", "more": [{ "code": "" }, ""], "n": 1 }));
    }
}
