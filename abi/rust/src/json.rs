//! JSON (RFC 8259), as much as plugins and their edge need of it.

use std::collections::BTreeMap;
use std::time::Duration;

/// How deep a text may be nested; deeper is refused, because reading recurses.
pub const MAX_DEPTH: usize = 64;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that is whole and fits.
    Integer(i64),
    /// Any other number, as it is written: most plugins have no use for the tables that
    /// reading and printing such numbers takes.
    Number(String),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// An object, its fields in the order written.
    Object(Vec<(String, Value)>),
}

impl Default for Value {
    fn default() -> Self {
        Value::Null
    }
}

impl Value {
    /// An object without fields, for [`with`](Value::with).
    pub fn object() -> Value {
        Value::Object(Vec::new())
    }

    /// The object with one more field. Anything but an object is left as it is.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Value {
        if let Value::Object(fields) = &mut self {
            fields.push((name.to_string(), value.into()));
        }
        self
    }

    /// Reads a text. `None` if it is not JSON, or nested deeper than [`MAX_DEPTH`]. Of
    /// fields of the same name the last counts.
    pub fn parse(text: &[u8]) -> Option<Value> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == text.len() {
            Some(value)
        } else {
            None
        }
    }

    /// The field of an object; `None` if there is none, or it is no object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object()?.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The fields, if it is an object.
    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The values, if it is a list.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Integer(n) => Some(*n),
            _ => None,
        }
    }

    /// The number, if it is one; the nearest that there is.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Integer(n) => Some(*n as f64),
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The answer, if it is yes or no.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&write(self))
    }
}

macro_rules! into_value {
    ($($from:ty: |$v:ident| $value:expr,)*) => {
        $(impl From<$from> for Value {
            fn from($v: $from) -> Value {
                $value
            }
        })*
    };
}

into_value! {
    bool: |v| Value::Bool(v),
    i64: |v| Value::Integer(v),
    i32: |v| Value::Integer(v.into()),
    u16: |v| Value::Integer(v.into()),
    u32: |v| Value::Integer(v.into()),
    usize: |v| Value::from(v as u64),
    u64: |v| i64::try_from(v).map_or_else(|_| Value::Number(v.to_string()), Value::Integer),
    f64: |v| if v.is_finite() { Value::Number(v.to_string()) } else { Value::Null },
    &str: |v| Value::String(v.to_string()),
    String: |v| Value::String(v),
    &String: |v| Value::String(v.clone()),
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(v: Vec<T>) -> Value {
        Value::Array(v.into_iter().map(Into::into).collect())
    }
}

/// What an object's field can hold.
pub trait Field: Sized {
    /// Whether it holds nothing, and can be left out.
    fn is_empty(&self) -> bool;
    /// Writes it.
    fn write(&self, w: &mut Writer);
    /// Reads it; `None` if the value is of another type.
    fn read(value: &Value) -> Option<Self>;
}

/// The text of a value.
pub fn write<T: Field>(value: &T) -> String {
    let mut w = Writer::default();
    value.write(&mut w);
    w.into_string()
}

/// Writes JSON piece by piece. Whoever uses it closes what was begun.
pub struct Writer {
    text: String,
    /// Whether a value came before in the same list or object.
    more: bool,
}

impl Default for Writer {
    fn default() -> Self {
        // Most requests fit, and then nothing is moved while it is written.
        Writer { text: String::with_capacity(256), more: false }
    }
}

impl Writer {
    /// What was written.
    pub fn into_string(self) -> String {
        self.text
    }

    fn separate(&mut self) {
        if self.more {
            self.text.push(',');
        }
        self.more = true;
    }

    fn plain(&mut self, text: &str) {
        self.separate();
        self.text.push_str(text);
    }

    fn begin(&mut self, bracket: char) {
        self.separate();
        self.text.push(bracket);
        self.more = false;
    }

    fn end(&mut self, bracket: char) {
        self.text.push(bracket);
        self.more = true;
    }

    /// Begins an object.
    pub fn begin_object(&mut self) {
        self.begin('{');
    }

    /// Ends an object.
    pub fn end_object(&mut self) {
        self.end('}');
    }

    /// Begins a list.
    pub fn begin_array(&mut self) {
        self.begin('[');
    }

    /// Ends a list.
    pub fn end_array(&mut self) {
        self.end(']');
    }

    /// Writes a field's name; its value comes next.
    pub fn key(&mut self, name: &str) {
        self.string(name);
        self.text.push(':');
        self.more = false;
    }

    /// Writes a text.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.text.push('"');
        let mut done = 0;
        for (i, c) in text.bytes().enumerate() {
            if c >= b' ' && c != b'"' && c != b'\\' {
                continue;
            }
            self.text.push_str(&text[done..i]);
            done = i + 1;
            match c {
                b'"' => self.text.push_str("\\\""),
                b'\\' => self.text.push_str("\\\\"),
                b'\n' => self.text.push_str("\\n"),
                b'\r' => self.text.push_str("\\r"),
                b'\t' => self.text.push_str("\\t"),
                _ => {
                    const HEX: &[u8; 16] = b"0123456789abcdef";
                    self.text.push_str("\\u00");
                    self.text.push(HEX[usize::from(c >> 4)] as char);
                    self.text.push(HEX[usize::from(c & 15)] as char);
                }
            }
        }
        self.text.push_str(&text[done..]);
        self.text.push('"');
    }

    /// Writes a number.
    pub fn integer(&mut self, n: i64) {
        self.separate();
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = n.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if n < 0 {
            self.text.push('-');
        }
        for d in &digits[at..] {
            self.text.push(*d as char);
        }
    }

    /// Writes a number that is written already.
    fn number(&mut self, text: &str) {
        self.plain(text);
    }

    /// Writes true or false.
    pub fn boolean(&mut self, b: bool) {
        self.plain(if b { "true" } else { "false" });
    }

    /// Writes null.
    pub fn null(&mut self) {
        self.plain("null");
    }

    /// Writes the fields of an object, without its brackets, into the one that is open here.
    pub(crate) fn fields_of(&mut self, object: &impl Field) {
        let (begin, more) = (self.text.len(), self.more);
        self.more = false;
        object.write(self);
        let empty = self.text.len() - begin <= 2;
        self.text.pop();
        // The opening bracket stands where a comma belongs, or nothing.
        if more && !empty {
            self.text.replace_range(begin..begin + 1, ",");
        } else {
            self.text.remove(begin);
        }
        self.more = more || !empty;
    }
}

/// Reads a text from `at` on.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips white space, and then the byte, if it comes next.
    fn accept(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(value)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        match self.peek()? {
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'"' => self.string().map(Value::String),
            b'[' => self.array(depth),
            b'{' => self.object(depth),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut values = Vec::new();
        if self.accept(b']') {
            return Some(Value::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.accept(b']') {
                return Some(Value::Array(values));
            }
            if !self.accept(b',') {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.accept(b'}') {
            return Some(Value::Object(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return None;
            }
            let name = self.string()?;
            if !self.accept(b':') {
                return None;
            }
            fields.push((name, self.value(depth + 1)?));
            if self.accept(b'}') {
                return Some(Value::Object(fields));
            }
            if !self.accept(b',') {
                return None;
            }
        }
    }

    /// A text, from its opening quote on. Bytes that are not UTF-8 are refused; a lone
    /// surrogate becomes U+FFFD.
    fn string(&mut self) -> Option<String> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let begin = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            text.extend_from_slice(&self.text[begin..self.at]);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return String::from_utf8(text).ok();
                }
                b'\\' => {
                    self.at += 1;
                    let c = self.escape()?;
                    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(match c {
            b'"' | b'\\' | b'/' => c as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    /// What follows `\u`: a character, in UTF-16 one unit or two (RFC 8259, section 7).
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if let 0xd800..=0xdbff = first {
            let rest = self.text.get(self.at..self.at + 2);
            if rest == Some(b"\\u") {
                let back = self.at;
                self.at += 2;
                let second = self.hex()?;
                if let 0xdc00..=0xdfff = second {
                    return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                }
                self.at = back;
            }
        }
        Some(char::from_u32(first).unwrap_or('\u{fffd}'))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |n, d| Some(n << 4 | (*d as char).to_digit(16)?))
    }

    fn digits(&mut self) -> Option<()> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > begin {
            Some(())
        } else {
            None
        }
    }

    fn number(&mut self) -> Option<Value> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[begin..self.at]).ok()?;
        match text.parse() {
            Ok(n) if whole => Some(Value::Integer(n)),
            _ => Some(Value::Number(text.to_string())),
        }
    }
}

mod fields;
pub(crate) use fields::whole_ms;

#[cfg(test)]
mod tests;
