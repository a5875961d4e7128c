//! Text that is secret: the value of a secret, a private key; and JSON that may hold some.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

/// Secret text, wiped on drop. No `Debug`, `Clone` or `PartialEq`, on purpose.
///
/// It can be serialized because it has to travel: into the body of a request or of a reply, and nowhere else.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// `bytes` in base64.
    #[must_use]
    pub fn base64_of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(STANDARD.encode(bytes)))
    }

    /// The bytes that the text says in base64, or `None` if it says none. Padding is required, line ends are refused.
    #[must_use]
    pub fn decode_base64(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Filled in place: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(self.0.len())]);
        let size = STANDARD.decode_slice(self.0.as_bytes(), &mut bytes).ok()?;
        bytes.truncate(size);
        Some(bytes)
    }

    /// Lends the text. Each call is a place to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for SecretText {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// JSON that may hold secrets: all texts in it are wiped on drop. No `Debug`, `Clone` or `PartialEq`, on purpose.
#[derive(Default)]
pub struct SecretJson(Value);

impl SecretJson {
    /// What these bytes say; `None` if it is no JSON.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// As bytes, wiped on drop.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it at once: growing leaves copies behind.
        let mut size = Size(0);
        let counted = serde_json::to_writer(&mut size, &self.0);
        let mut bytes = Zeroizing::new(Vec::with_capacity(size.0));
        let written = serde_json::to_writer(&mut *bytes, &self.0);
        // Neither can fail: whatever was read can be written, and memory takes it.
        debug_assert!(counted.is_ok() && written.is_ok() && bytes.len() == size.0);
        bytes
    }

    /// It in one line, with `null` for the texts of fields with these names, wherever they are; `None` if it says nothing.
    #[must_use]
    pub fn shown_without(mut self, secret_fields: &[&str]) -> Option<String> {
        hide(&mut self.0, secret_fields);
        let says_something = self.0.as_object().is_some_and(|fields| !fields.is_empty());
        says_something.then(|| self.0.to_string())
    }
}

impl From<Value> for SecretJson {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl Serialize for SecretJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SecretJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self)
    }
}

impl Drop for SecretJson {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn hide(value: &mut Value, secret_fields: &[&str]) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if secret_fields.contains(&name.as_str()) && value.is_string() {
                    wipe(value);
                    *value = Value::Null;
                } else {
                    hide(value, secret_fields);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| hide(value, secret_fields)),
        _ => {}
    }
}

/// Counts what is written.
struct Size(usize);

impl std::io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SecretText {
        SecretText::from(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn bytes_of_every_size_come_back() {
        for size in 0..100 {
            let bytes = vec![0xa5; size];
            assert_eq!(*SecretText::base64_of(&bytes).decode_base64().unwrap(), bytes);
        }
    }

    // R-A9
    #[test]
    fn json_is_written_as_it_was_read_without_growing() {
        let text = r#"{"a":[1,true,null,"x\ny"],"b":{"value":"secret"}}"#;
        let json = SecretJson::parse(text.as_bytes()).unwrap();
        let bytes = json.to_bytes();
        assert_eq!((bytes.as_slice(), bytes.capacity()), (text.as_bytes(), text.len()));
        assert!(SecretJson::parse(b"{").is_none());
        assert!(SecretJson::default().is_null() && !json.is_null());
    }

    // R-A9
    #[test]
    fn secret_fields_are_not_shown_wherever_they_are() {
        let shown = |text: &str| SecretJson::parse(text.as_bytes()).unwrap().shown_without(&["value"]);
        let hidden = shown(r#"{"keys":[{"name":"a","value":"secret"}],"value":{"value":"secret"}}"#).unwrap();
        assert_eq!(hidden, r#"{"keys":[{"name":"a","value":null}],"value":{"value":null}}"#);
        for nothing in ["{}", "null", "[]", "\"text\""] {
            assert_eq!(shown(nothing), None, "{nothing}");
        }
    }

    // R-A9
    #[test]
    fn all_texts_are_wiped() {
        let mut value = serde_json::json!({"a": ["x", {"b": "y"}], "c": 1});
        wipe(&mut value);
        assert_eq!(value, serde_json::json!({"a": ["", {"b": ""}], "c": 1}));
    }

    #[test]
    fn refuses_what_is_not_base64_with_padding() {
        for bad in ["a", "aa", "aaa", "aaaa\n", " aaaa", "aa=a", "aab=", "aaaa=", "!!!!", "-_-_"] {
            assert!(text(bad).decode_base64().is_none(), "{bad:?}");
        }
    }
}
