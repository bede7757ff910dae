//! JSON as a tree of values that know where they stood.

use crate::error::{Error, Result, Status};

/// Deeper than any document of the library.
const DEEPEST: usize = 16;

/// More members than any object of a layout has.
const MOST_MEMBERS: usize = 64;

/// A value, and the byte at which it began.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// A whole number from 0 to 2⁶⁴ − 1.
    Whole(u64),
    /// Any other number.
    Number,
    Text(String),
    List(Vec<Node>),
    /// Names are distinct.
    Object(Vec<(String, Node)>),
}

/// The text, and where it is read.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

fn out_of_memory<T>(_: T) -> Error {
    Error::of(Status::OutOfMemory)
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0, depth: 0 }
    }

    /// An error at a byte of the text.
    #[cold]
    pub(super) fn refuse(&self, at: usize, why: &'static str) -> Error {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count();
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        // Characters, not bytes: continuation bytes do not count.
        let column = before[start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        Error::at("json", line as u64 + 1, column as u64 + 1, why)
    }

    /// The whole text as one value.
    pub(super) fn document(&mut self) -> Result<Node> {
        let node = self.node()?;
        match self.next() {
            None => Ok(node),
            Some(_) => Err(self.refuse(self.at, "something follows the end of the document")),
        }
    }

    /// The next byte that is no white space, which stays.
    fn next(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().take_while(blank).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes the byte if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.refuse(self.at, "expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn node(&mut self) -> Result<Node> {
        let first = self.next();
        let at = self.at;
        let value = match first {
            None => return Err(self.refuse(at, "the text ends where a value is expected")),
            Some(b'n') => self.word("null", Value::Null)?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'[') => self.nested(Parser::list)?,
            Some(b'{') => self.nested(Parser::object)?,
            Some(_) => return Err(self.refuse(at, "expected a value")),
        };
        Ok(Node { at, value })
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        if self.depth == DEEPEST {
            return Err(self.refuse(self.at, "nested more than 16 deep, which no layout is"));
        }
        self.depth += 1;
        self.at += 1;
        let value = inside(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Result<Value> {
        let mut list = Vec::new();
        if self.take(b']') {
            return Ok(Value::List(list));
        }
        loop {
            let node = self.node()?;
            list.try_reserve(1).map_err(out_of_memory)?;
            list.push(node);
            if self.take(b']') {
                return Ok(Value::List(list));
            }
            if !self.take(b',') {
                return Err(self.refuse(self.at, "expected , or ] in a list"));
            }
        }
    }

    fn object(&mut self) -> Result<Value> {
        let mut object: Vec<(String, Node)> = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Object(object));
        }
        loop {
            if self.next() != Some(b'"') {
                return Err(self.refuse(self.at, "expected the name of a member, in quotation marks"));
            }
            let at = self.at;
            if object.len() == MOST_MEMBERS {
                return Err(self.refuse(at, "an object of more than 64 members, which no layout has"));
            }
            let name = self.string()?;
            if object.iter().any(|(other, _)| *other == name) {
                return Err(self.refuse(at, "a member of this name stands before it in the same object"));
            }
            if !self.take(b':') {
                return Err(self.refuse(self.at, "expected : behind the name of a member"));
            }
            let node = self.node()?;
            object.try_reserve(1).map_err(out_of_memory)?;
            object.push((name, node));
            if self.take(b'}') {
                return Ok(Value::Object(object));
            }
            if !self.take(b',') {
                return Err(self.refuse(self.at, "expected , or } in an object"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        let byte_at = |at: usize| self.text.as_bytes().get(at).copied();
        let negative = byte_at(self.at) == Some(b'-');
        self.at += usize::from(negative);
        let leading = byte_at(self.at);
        let whole = self.digits();
        if whole == 0 || leading == Some(b'0') && whole > 1 {
            return Err(self.refuse(start, "not a number"));
        }
        let end = self.at;
        if self.text[self.at..].starts_with('.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.refuse(start, "not a number"));
            }
        }
        if self.text[self.at..].starts_with(['e', 'E']) {
            self.at += 1;
            self.at += usize::from(self.text[self.at..].starts_with(['+', '-']));
            if self.digits() == 0 {
                return Err(self.refuse(start, "not a number"));
            }
        }
        let whole = if end == self.at { self.text[start..end].parse().ok() } else { None };
        Ok(whole.map_or(Value::Number, Value::Whole))
    }

    fn string(&mut self) -> Result<String> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f')).unwrap_or(rest.len());
            string.try_reserve(plain + 4).map_err(out_of_memory)?;
            string.push_str(&rest[..plain]);
            self.at += plain;
            match rest[plain..].bytes().next() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => {
                    return Err(self.refuse(self.at, "a control character in a string; write it as \\u00xx"));
                }
                None => return Err(self.refuse(self.at, "the text ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        let letter = self.text.as_bytes().get(start + 1).copied();
        self.at += 2;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.code_unit(start)?;
                let code = match first {
                    0xd800..=0xdbff if self.text[self.at..].starts_with("\\u") => {
                        self.at += 2;
                        let second = self.code_unit(start)?;
                        let low = second.checked_sub(0xdc00).filter(|&low| low < 0x400);
                        low.map(|low| 0x10000 + ((first - 0xd800) << 10) + low)
                    }
                    unit => Some(unit),
                };
                let character = code.and_then(char::from_u32);
                character.ok_or_else(|| self.refuse(start, "half of a surrogate pair"))?
            }
            _ => return Err(self.refuse(start, "no such escape")),
        })
    }

    fn code_unit(&mut self, start: usize) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.refuse(start, "\\u wants four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        Parser::new(text).document().unwrap_err().to_string()
    }

    #[test]
    fn strings_and_numbers_are_read_as_they_were_meant() {
        let text = r#" ["a\"\\\/\b\f\n\r\té\ud83d\ude00ß", 0, 18446744073709551615, -1, 1.5e+3, 1E2] "#;
        let Value::List(list) = Parser::new(text).document().unwrap().value else { panic!() };
        assert!(matches!(&list[0].value, Value::Text(text) if text == "a\"\\/\x08\x0c\n\r\té😀ß"));
        assert!(matches!(list[1].value, Value::Whole(0)) && list[0].at == 2);
        assert!(matches!(list[2].value, Value::Whole(u64::MAX)));
        assert!(list[3..].iter().all(|node| matches!(node.value, Value::Number)));
    }

    #[test]
    fn what_is_malformed_is_told_with_its_position() {
        for (text, position) in [
            ("", "line 1, column 1"),
            ("\n  nul", "line 2, column 3"),
            ("[1,]", "column 4"),
            ("[1 2]", "column 4"),
            ("{\"a\" 1}", "column 6"),
            ("{\"a\": 1, a}", "column 10"),
            ("{\"é\": 1, \"é\": 2}", "column 10"),
            ("[\"abc", "column 6"),
            ("[\"a\nb\"]", "line 1, column 4"),
            (r#"["\x"]"#, "column 3"),
            (r#"["\ud800"]"#, "column 3"),
            (r#"["\ud800\u0041"]"#, "column 3"),
            (r#"["\u00"]"#, "column 3"),
            (r#"["\u00é"]"#, "column 3"),
            ("[01]", "column 2"),
            ("[1.]", "column 2"),
            ("[1e]", "column 2"),
            ("[-]", "column 2"),
            ("{} {}", "column 4"),
            ("[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]", "column 17"),
        ] {
            assert!(told(text).contains(position), "{text:?}: {}", told(text));
        }
    }
}
