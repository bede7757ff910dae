//! JSON values that know their position: errors name the line and column of the value that is refused.

use std::collections::TryReserveError;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Result, Status};

/// The longest document in bytes: 64 MiB, which hold the layout of more than 200,000 buffers.
const MAX_JSON_BYTES: usize = 64 << 20;

/// A value of a document. `text` is the whole document, and `raw` a part of it.
#[derive(Clone, Copy)]
pub(crate) struct JsonValue<'a> {
    text: &'a str,
    raw: &'a RawValue,
}

/// The messages of serde_json's syntax errors. They are static here, because [`Error`] allocates nothing.
const SYNTAX_ERRORS: [&str; 18] = [
    "EOF while parsing a list",
    "EOF while parsing an object",
    "EOF while parsing a string",
    "EOF while parsing a value",
    "expected `:`",
    "expected `,` or `]`",
    "expected `,` or `}`",
    "expected ident",
    "expected value",
    "invalid escape",
    "invalid number",
    "number out of range",
    "control character (\\u0000-\\u001F) found while parsing a string",
    "key must be a string",
    "lone leading surrogate in hex escape",
    "unexpected end of hex escape",
    "trailing comma",
    "trailing characters",
];

/// The error at a byte of the document.
#[cold]
fn error_at(text: &str, offset: usize, reason: &'static str) -> Error {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count();
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    // Continuation bytes of UTF-8 do not begin a character.
    let column = before[start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    Error::at("json", line as u64 + 1, column as u64 + 1, reason)
}

#[cold]
fn syntax_error(text: &str, error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let known = SYNTAX_ERRORS.into_iter().find(|known| message.starts_with(known));
    let nested = message.starts_with("recursion limit").then_some("nested too deep; at most 127 levels");
    let line_start =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    error_at(
        text,
        line_start + error.column().saturating_sub(1),
        known.or(nested).unwrap_or("not valid JSON"),
    )
}

/// Any value, to check the syntax of a whole document: serde_json limits its nesting to 128.
struct AnyValue;

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<AnyValue, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = AnyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<AnyValue, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<AnyValue, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<AnyValue, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<AnyValue, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<AnyValue, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> std::result::Result<AnyValue, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<AnyValue, A::Error> {
        while list.next_element::<AnyValue>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<AnyValue, A::Error> {
        while object.next_entry::<AnyValue, AnyValue>()?.is_some() {}
        Ok(self)
    }
}

impl<'a> JsonValue<'a> {
    /// A whole document, whose syntax is checked.
    pub(crate) fn document(text: &'a str) -> Result<JsonValue<'a>> {
        if text.len() > MAX_JSON_BYTES {
            let reason = "a document has at most 64 MiB (67108864 bytes); store fewer buffers per document";
            return Err(Error::value(Status::Limit, "json bytes", text.len() as u64, reason));
        }
        serde_json::from_str::<AnyValue>(text).map_err(|error| syntax_error(text, &error))?;
        let raw = serde_json::from_str(text).map_err(|error| syntax_error(text, &error))?;
        Ok(JsonValue { text, raw })
    }

    /// The error at this value.
    #[cold]
    pub(crate) fn refuse(self, reason: &'static str) -> Error {
        let offset = self.raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        error_at(self.text, offset, reason)
    }

    fn parse<T: Deserialize<'a>>(self, expected: &'static str) -> Result<T> {
        serde_json::from_str(self.raw.get()).map_err(|_| self.refuse(expected))
    }

    pub(crate) fn text(self) -> Result<String> {
        self.parse("expected a string")
    }

    pub(crate) fn whole_number(self) -> Result<u64> {
        self.parse("expected a whole number from 0 to 2^64 - 1")
    }

    pub(crate) fn flag(self) -> Result<bool> {
        self.parse("expected true or false")
    }

    pub(crate) fn is_null(self) -> bool {
        self.raw.get() == "null"
    }

    pub(crate) fn list(self) -> Result<Vec<JsonValue<'a>>> {
        let list = serde_json::Deserializer::from_str(self.raw.get()).deserialize_seq(ListVisitor(self.text));
        Ok(list.map_err(|_| self.refuse("expected a list"))??)
    }

    pub(crate) fn pair(self, expected: &'static str) -> Result<[JsonValue<'a>; 2]> {
        self.list()?.try_into().map_err(|_| self.refuse(expected))
    }

    /// The values of an object's members, in the order of `known`. Refuses other members and repeated ones.
    pub(crate) fn members<const N: usize>(
        self,
        known: [&'static str; N],
    ) -> Result<[Option<JsonValue<'a>>; N]> {
        let visitor = MembersVisitor { text: self.text, known };
        let members = serde_json::Deserializer::from_str(self.raw.get()).deserialize_map(visitor);
        members.map_err(|_| self.refuse("expected an object"))?
    }
}

/// Collects the elements of a list.
struct ListVisitor<'a>(&'a str);

impl<'a> Visitor<'a> for ListVisitor<'a> {
    type Value = std::result::Result<Vec<JsonValue<'a>>, TryReserveError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> std::result::Result<Self::Value, A::Error> {
        let mut list = Ok(Vec::new());
        while let Some(raw) = elements.next_element()? {
            list = list.and_then(|mut list: Vec<_>| {
                list.try_reserve(1)?;
                list.push(JsonValue { text: self.0, raw });
                Ok(list)
            });
        }
        Ok(list)
    }
}

/// Collects the values of an object's members.
struct MembersVisitor<'a, const N: usize> {
    text: &'a str,
    known: [&'static str; N],
}

impl<'a, const N: usize> Visitor<'a> for MembersVisitor<'a, N> {
    type Value = Result<[Option<JsonValue<'a>>; N]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> std::result::Result<Self::Value, A::Error> {
        let mut members = Ok([None; N]);
        while let Some(name) = object.next_key::<String>()? {
            let value = JsonValue { text: self.text, raw: object.next_value()? };
            let index = self.known.into_iter().position(|known| known == name);
            members = members.and_then(|mut members: [Option<_>; N]| {
                let index = index.ok_or_else(|| value.refuse("unknown member"))?;
                match members[index].replace(value) {
                    Some(_) => Err(value.refuse("duplicate member of the same object")),
                    None => Ok(members),
                }
            });
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        JsonValue::document(text).err().unwrap().to_string()
    }

    #[test]
    fn strings_and_numbers_are_read_as_written() {
        let text = r#" ["a\"\\\/\b\f\n\r\té\ud83d\ude00ß", 0, 18446744073709551615, -1, 1.5e+3, 1E2, 1.0] "#;
        let list = JsonValue::document(text).unwrap().list().unwrap();
        assert_eq!(list[0].text().unwrap(), "a\"\\/\x08\x0c\n\r\té😀ß");
        assert_eq!([list[1], list[2]].map(|value| value.whole_number().unwrap()), [0, u64::MAX]);
        assert!(list[3..].iter().all(|value| value.whole_number().is_err()));
        let error = list[3].whole_number().unwrap_err().to_string();
        assert_eq!(error, "json, line 1, column 63: expected a whole number from 0 to 2^64 - 1");
    }

    #[test]
    fn syntax_errors_name_line_column_and_reason() {
        for (text, expected) in [
            ("", "line 1, column 1: EOF while parsing a value"),
            ("\n  nul", "line 2, column 5: EOF while parsing a value"),
            ("[1,]", "line 1, column 4: trailing comma"),
            ("[1 2]", "line 1, column 4: expected `,` or `]`"),
            ("{\"a\" 1}", "line 1, column 6: expected `:`"),
            ("{\"a\": 1, a}", "line 1, column 10: key must be a string"),
            ("[\"é\", x]", "line 1, column 7: expected value"),
            ("[\"abc", "line 1, column 5: EOF while parsing a string"),
            ("[\"a\nb\"]", "control character"),
            (r#"["\x"]"#, "line 1, column 4: invalid escape"),
            (r#"["\ud800"]"#, "hex escape"),
            (r#"["\ud800\u0041"]"#, "hex escape"),
            (r#"["\u00"]"#, "escape"),
            ("[01]", "line 1, column 3: invalid number"),
            ("[1.]", "line 1, column 4: invalid number"),
            ("[1e]", "line 1, column 4: invalid number"),
            ("[-]", "line 1, column 3: invalid number"),
            ("{} {}", "line 1, column 4: trailing characters"),
        ] {
            assert!(refusal(text).contains(expected), "{text:?}: {}", refusal(text));
        }
        let deep = refusal(&"[".repeat(100_000));
        assert!(deep.starts_with("json, line 1, column 128: nested too deep"), "{deep}");
        let long = refusal(&" ".repeat(MAX_JSON_BYTES + 1));
        assert!(long.starts_with("json bytes = 67108865: a document has at most 64 MiB"), "{long}");
    }

    #[test]
    fn members_are_known_and_stand_once() {
        let refusal =
            |text| JsonValue::document(text).unwrap().members(["a", "b"]).err().unwrap().to_string();
        assert_eq!(refusal("{\"é\": 1,\n \"a\": 2}"), "json, line 1, column 7: unknown member");
        assert_eq!(
            refusal("{\"a\": 1,\n \"\\u0061\": 2}"),
            "json, line 2, column 12: duplicate member of the same object"
        );
        assert_eq!(refusal("[1]"), "json, line 1, column 1: expected an object");
    }
}
