//! One pass over a JSON text, value by value.

use std::borrow::Cow;

use super::skip::skip_string;
use super::text::Text;
use super::{MAX_DEPTH, Span, SyntaxError};

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A position in a JSON text. Each call moves it past what it returns.
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    key: Span,
}

/// Walks the members of an object: the value of each key must be consumed before the next key.
pub struct Members {
    first: bool,
}

/// Walks the items of an array: each must be consumed before the next.
pub struct Items {
    first: bool,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Cursor { text, at: 0, depth: 0, key: Span::default() }
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the position: after [`Cursor::kind`], where the value starts.
    pub fn position(&self) -> u32 {
        Span::new(self.at, self.at).start
    }

    /// Returns where the key stands that [`Members::next`] returned last, with its quotes.
    pub fn key_span(&self) -> Span {
        self.key
    }

    /// Returns the stretch from an earlier position to here.
    pub fn span_since(&self, start: u32) -> Span {
        Span::new(start as usize, self.at)
    }

    /// Says what comes next, and stands before it afterwards.
    #[inline]
    pub fn kind(&mut self) -> Result<Kind> {
        self.space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.error("expected a value")),
        }
    }

    /// Enters the object that comes next.
    pub fn members(&mut self) -> Result<Members> {
        self.open(b'{', "expected an object")?;
        Ok(Members { first: true })
    }

    /// Enters the array that comes next.
    pub fn items(&mut self) -> Result<Items> {
        self.open(b'[', "expected an array")?;
        Ok(Items { first: true })
    }

    /// Reads the string that comes next.
    #[inline]
    pub fn string(&mut self) -> Result<Text> {
        self.space();
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a string"));
        }
        self.quoted()
    }

    /// Reads a whole number of at most 18 digits, where one comes next; else stands where it stood.
    #[inline]
    pub fn whole_number(&mut self) -> Option<u64> {
        self.space();
        let digits = |byte: &u8| byte.is_ascii_digit();
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().take(19).take_while(|byte| digits(byte)).count();
        let is_whole =
            matches!(rest.get(length), None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r'));
        if !(1..=18).contains(&length) || !is_whole || (length > 1 && rest[0] == b'0') {
            return None;
        }
        self.at += length;
        Some(rest[..length].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    /// Reads `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool> {
        self.space();
        let yes = self.peek() == Some(b't');
        self.literal(if yes { "true" } else { "false" })?;
        Ok(yes)
    }

    /// Skips any value, checking its grammar, and returns where it stood.
    pub fn skip(&mut self) -> Result<Span> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => self.nested()?,
            _ => self.flat()?,
        }
        Ok(Span::new(start, self.at))
    }

    /// Checks that nothing but white space follows.
    pub fn end(&mut self) -> Result<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.error("expected the end of the body")) }
    }

    /// Skips an object or an array.
    fn nested(&mut self) -> Result<()> {
        let floor = self.depth;
        let mut objects: u64 = 0; // one bit for each level opened here: is it an object?
        loop {
            let opened = match self.peek() {
                Some(b'{') => self.open_in(&mut objects, true)?,
                Some(b'[') => self.open_in(&mut objects, false)?,
                _ => self.flat().map(|()| false)?,
            };
            if !opened && self.close_in(&mut objects, floor)? {
                return Ok(());
            }
        }
    }

    /// Opens a level inside [`Cursor::nested`]; false where it was empty and is closed again.
    fn open_in(&mut self, objects: &mut u64, object: bool) -> Result<bool> {
        let (open, close) = if object { (b'{', b'}') } else { (b'[', b']') };
        self.open(open, "expected a value")?;
        self.space();
        if self.peek() == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        *objects = *objects << 1 | u64::from(object);
        if object {
            self.key()?;
            self.space();
        }
        Ok(true)
    }

    /// After a value inside [`Cursor::nested`]: closes levels until a comma; true when all are closed.
    #[inline]
    fn close_in(&mut self, objects: &mut u64, floor: u32) -> Result<bool> {
        while self.depth > floor {
            self.space();
            let object = *objects & 1 == 1;
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if object {
                        self.key()?;
                    }
                    self.space();
                    return Ok(false);
                }
                Some(b'}') if object => self.at += 1,
                Some(b']') if !object => self.at += 1,
                _ => return Err(self.error(if object { "expected , or }" } else { "expected , or ]" })),
            }
            *objects >>= 1;
            self.depth -= 1;
        }
        Ok(true)
    }

    fn open(&mut self, bracket: u8, reason: &'static str) -> Result<()> {
        self.space();
        self.expect(bracket, reason)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError { offset: self.at - 1, reason: "nested deeper than 64 levels" });
        }
        Ok(())
    }

    #[inline]
    fn key(&mut self) -> Result<Text> {
        let key = self.string()?;
        self.space();
        self.expect(b':', "expected :")?;
        Ok(key)
    }

    /// Skips a value that holds no others.
    #[inline]
    fn flat(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"') => self.quoted().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.literal("null"),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            _ => Err(self.error("expected a value")),
        }
    }

    /// Reads the string whose opening quote is next.
    #[inline]
    fn quoted(&mut self) -> Result<Text> {
        let start = self.at + 1;
        let skipped = skip_string(self.text.as_bytes(), start)?;
        self.at = skipped.end + 1;
        let span = Span::new(start, skipped.end);
        Ok(Text { span, decoded_len: span.end - span.start - skipped.saved as u32 })
    }

    fn literal(&mut self, word: &'static str) -> Result<()> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    #[inline]
    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(self.error(reason));
        }
        self.at += 1;
        Ok(())
    }

    /// Most values follow at once.
    #[inline]
    fn space(&mut self) {
        while let Some(byte) = self.peek()
            && byte <= b' '
            && matches!(byte, b' ' | b'\n' | b'\t' | b'\r')
        {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn error(&self, reason: &'static str) -> SyntaxError {
        let reason = if self.at >= self.text.len() { "the body ends too early" } else { reason };
        SyntaxError { offset: self.at, reason }
    }
}

impl Members {
    /// Returns the next key, decoded, so that an escaped spelling cannot hide it; `None` after the last one.
    #[inline]
    pub fn next<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>> {
        if !step(cursor, &mut self.first, b'}', "expected , or }")? {
            return Ok(None);
        }
        let key = cursor.key()?;
        cursor.key = key.with_quotes();
        Ok(Some(key.decode_str(cursor.text)))
    }
}

impl Items {
    /// Says whether another item comes.
    #[inline]
    pub fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        step(cursor, &mut self.first, b']', "expected , or ]")
    }
}

#[inline]
fn step(cursor: &mut Cursor<'_>, first: &mut bool, close: u8, reason: &'static str) -> Result<bool> {
    cursor.space();
    if cursor.peek() == Some(close) {
        cursor.at += 1;
        cursor.depth -= 1;
        return Ok(false);
    }
    if !std::mem::take(first) {
        cursor.expect(b',', reason)?;
    }
    Ok(true)
}
