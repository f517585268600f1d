//! JSON read strictly (RFC 8259): no key twice, nothing behind the value, no character that text cannot hold; every value
//! with its place.
//!
//! Not the contract. serde_json lets a key stand twice and forgets where things stood.

/// The largest text that is read, in bytes. A thousand paths are a tenth of it.
const LARGEST: usize = 4 << 20;
/// As deep lists and objects may lie in each other; the contract needs eight.
const DEEPEST: usize = 32;

/// A value with the byte that it starts at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: usize,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it stands: what a number means is for whoever expects one.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the text.
    Object(Vec<Member>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    /// The byte that the key starts at.
    pub(super) at: usize,
    pub(super) node: Node,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    /// The path of what is wrong, if it has one.
    pub(super) field: Option<String>,
    pub(super) what: String,
}

impl Value {
    /// For messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// The path of `key` below `parent`.
pub(super) fn below(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// The path of an entry of the list at `parent`.
pub(super) fn entry(parent: &str, nth: usize) -> String {
    format!("{parent}[{nth}]")
}

/// Reads one value, which has to be all of `text`.
///
/// # Errors
/// The first thing that is no JSON, or that two readers could take for different things.
pub(super) fn read(text: &str) -> Result<Node, Wrong> {
    let mut reader = Reader { text, at: 0, path: Vec::new() };
    if text.len() > LARGEST {
        return Err(reader.wrong("it is larger than 4 MiB"));
    }
    reader.skip_space();
    let node = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.wrong("trailing text: a request is one JSON value and nothing behind it")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The keys and entries that the value at hand lies in.
    path: Vec<Step>,
}

enum Step {
    Key(String),
    Entry(usize),
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        self.wrong_at(self.at, what)
    }

    fn wrong_at(&self, at: usize, what: impl Into<String>) -> Wrong {
        let field = self.path.iter().fold(String::new(), |path, step| match step {
            Step::Key(key) => below(&path, key),
            Step::Entry(nth) => entry(&path, *nth),
        });
        Wrong { at, field: Some(field).filter(|field| !field.is_empty()), what: what.into() }
    }

    fn value(&mut self) -> Result<Node, Wrong> {
        let at = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.list()?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) => return Err(self.wrong("a JSON value is expected here")),
            None => return Err(self.wrong("the text ends where a JSON value is expected")),
        };
        Ok(Node { value, at })
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Wrong> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.wrong("a JSON value is expected here"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn enter(&mut self, step: Step) -> Result<(), Wrong> {
        self.path.push(step);
        if self.path.len() > DEEPEST {
            let wrong = Wrong { field: None, ..self.wrong("lists and objects lie in each other too deep") };
            return Err(wrong);
        }
        Ok(())
    }

    fn object(&mut self) -> Result<Value, Wrong> {
        let mut members: Vec<Member> = Vec::new();
        let mut keys = std::collections::HashSet::new();
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in quotation marks is expected here"));
            }
            let key = self.string()?;
            self.enter(Step::Key(key.clone()))?;
            if !keys.insert(key.clone()) {
                return Err(self.wrong_at(at, "this key stands here twice"));
            }
            self.skip_space();
            if !self.take(b':') {
                return Err(self.wrong("a colon is expected here"));
            }
            self.skip_space();
            let node = self.value()?;
            self.path.pop();
            members.push(Member { key, at, node });
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or the end of the object is expected here"));
            }
            self.skip_space();
        }
    }

    fn list(&mut self) -> Result<Value, Wrong> {
        let mut nodes = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::List(nodes));
        }
        loop {
            self.enter(Step::Entry(nodes.len()))?;
            nodes.push(self.value()?);
            self.path.pop();
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::List(nodes));
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or the end of the list is expected here"));
            }
            self.skip_space();
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn number(&mut self) -> Result<Value, Wrong> {
        let start = self.at;
        self.take(b'-');
        match self.digits() {
            0 => return Err(self.wrong("a digit is expected here")),
            1 => {}
            _ if self.text[start..].trim_start_matches('-').starts_with('0') => {
                return Err(self.wrong_at(start, "a number does not start with a zero"));
            }
            _ => {}
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.wrong("a digit is expected here"));
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.wrong("a digit is expected here"));
            }
        }
        Ok(Value::Number(self.text[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let from = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            text.push_str(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escaped()?),
                Some(_) => {
                    return Err(self.wrong("a control character stands in a string; write it as an escape"));
                }
                None => return Err(self.wrong_at(start, "this string does not end")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Wrong> {
        let start = self.at;
        self.at += 1;
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unit(start),
            _ => {
                self.at = start;
                return Err(self.wrong("this is no escape of JSON's"));
            }
        })
    }

    /// A character by its number, or by two where it lies beyond the first 65536 (RFC 8259, section 7).
    fn unit(&mut self, start: usize) -> Result<char, Wrong> {
        let first = self.hexadecimal(start)?;
        let number = match first {
            0xd800..=0xdbff if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                match self.hexadecimal(start)? {
                    second @ 0xdc00..=0xdfff => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => first,
                }
            }
            _ => first,
        };
        match char::from_u32(number) {
            // No path, variable or argument can hold one; whoever cuts a text off there reads another one than we do.
            Some('\0') => Err(self.wrong_at(start, "a NUL character stands in a string")),
            Some(c) => Ok(c),
            None => Err(self.wrong_at(start, "half a character: a surrogate without its other half")),
        }
    }

    fn hexadecimal(&mut self, start: usize) -> Result<u32, Wrong> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let number = number.ok_or_else(|| self.wrong_at(start, "this is no escape of JSON's"))?;
        self.at += 4;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (usize, Option<String>, String) {
        let Wrong { at, field, what } = read(text).expect_err(text);
        (at, field, what)
    }

    #[test]
    fn what_serde_json_reads_without_doubt_is_read_the_same() {
        for text in [
            r#"{"a":[1,-2.5e+3,0,true,false,null,"x\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00"],"b":{"c":{}}}"#,
            " [ ] ",
            "\"\"",
            "-0",
        ] {
            let plain: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(as_serde(&read(text).unwrap()), plain, "{text}");
        }
    }

    fn as_serde(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap(),
            Value::Text(text) => text.as_str().into(),
            Value::List(nodes) => nodes.iter().map(as_serde).collect::<Vec<_>>().into(),
            Value::Object(members) => serde_json::Value::Object(
                members.iter().map(|member| (member.key.clone(), as_serde(&member.node))).collect(),
            ),
        }
    }

    #[test]
    fn what_two_readers_could_take_for_different_things_is_refused_with_its_place() {
        let (at, field, what) = wrong(r#"{"a":{"b":1,"b":2}}"#);
        assert_eq!((at, field.as_deref()), (12, Some("a.b")), "{what}");
        let (at, field, what) = wrong(r#"{"a":1} {"a":2}"#);
        assert_eq!((at, field), (8, None), "{what}");
        let (_, field, what) = wrong(r#"{"paths":["x","a\u0000b"]}"#);
        assert!(field.as_deref() == Some("paths[1]") && what.contains("NUL"), "{field:?} {what}");
        // The same key in another spelling is the same key.
        assert_eq!(wrong(r#"{"a":1,"\u0061":2}"#).1.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\"}",
            "{\"a\" 1}",
            "01",
            "1.",
            "1e",
            "-",
            "+1",
            ".5",
            "tru",
            "nul",
            "NaN",
            "'x'",
            "\"x",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"a\nb\"",
            "[1 2]",
            "// x\n1",
            "\u{feff}{}",
            "1 x",
            "{\"a\":1}\0",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let deep = |by| format!("{}1{}", "[".repeat(by), "]".repeat(by));
        assert!(read(&deep(DEEPEST)).is_ok());
        assert!(wrong(&deep(DEEPEST + 1)).2.contains("too deep"));
        assert!(wrong(&"[".repeat(100_000)).2.contains("too deep"));
        assert!(wrong(&format!("\"{}\"", "x".repeat(LARGEST))).2.contains("larger"));
    }
}
