//! Reads a request's JSON object in one pass, each field as the text that it was sent as: numbers keep every digit, and
//! what is wrong is known by field.

use std::borrow::Cow;
use std::fmt;

use matching::Decimal;
use matching::decimal::ParseDecimalError;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::{Code, Problem};

/// How much of a wrong value an answer repeats, in characters.
const SHOWN: usize = 40;

/// A field that was sent: its name and its JSON text.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'static str,
    text: &'a str,
}

/// The fields of an object, in the order of the names asked for; none where one was not sent.
pub type Fields<'a, const N: usize> = [Option<Field<'a>>; N];

/// Reads an object that may have these fields and no others.
pub fn read<'a, const N: usize>(body: &'a [u8], names: &'static [&'static str; N]) -> Result<Fields<'a, N>, Problem> {
    if body.is_empty() {
        return Err(Problem::new(Code::MalformedJson, "the body is empty; send a JSON object"));
    }
    let mut findings = Findings { reading: None, problem: None };
    let mut json = serde_json::Deserializer::from_slice(body);
    let fields = Object { names, findings: &mut findings }.deserialize(&mut json);
    match fields.and_then(|fields| json.end().map(|()| fields)) {
        Ok(fields) => findings.problem.map_or(Ok(fields), Err),
        Err(error) => Err(malformed(&error, findings.reading)),
    }
}

/// What the visitor leaves behind beside the fields.
struct Findings {
    /// The field whose value is being read.
    reading: Option<&'static str>,
    /// The first thing that is wrong with an object that is well-formed.
    problem: Option<Problem>,
}

fn malformed(error: &serde_json::Error, reading: Option<&'static str>) -> Problem {
    if error.is_data() {
        return Problem::new(Code::InvalidType, "the body must be a JSON object");
    }
    let place = format!("line {}, column {}", error.line(), error.column());
    match reading {
        Some(name) => {
            let detail = format!("the value of {name} is no JSON at {place}; NaN and Infinity are none");
            Problem::new(Code::MalformedJson, detail).field(name)
        }
        None => Problem::new(Code::MalformedJson, format!("the body is no JSON at {place}; send one JSON object")),
    }
}

struct Object<'s, const N: usize> {
    names: &'static [&'static str; N],
    findings: &'s mut Findings,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Object<'_, N> {
    type Value = Fields<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Object<'_, N> {
    type Value = Fields<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = [None; N];
        while let Some(key) = map.next_key_seed(Name { names: self.names })? {
            match key {
                Key::Known(index) => {
                    let name = self.names[index];
                    self.findings.reading = Some(name);
                    let text = map.next_value::<&RawValue>()?.get();
                    if fields[index].replace(Field { name, text }).is_some() {
                        let problem = Problem::new(Code::MalformedJson, format!("{name} is there twice; send it once"));
                        self.findings.problem.get_or_insert(problem.field(name));
                    }
                }
                Key::Unknown(name) => {
                    map.next_value::<IgnoredAny>()?;
                    self.findings.problem.get_or_insert_with(|| unknown(name, self.names));
                }
            }
            self.findings.reading = None;
        }
        Ok(fields)
    }
}

fn unknown(name: String, names: &[&str]) -> Problem {
    let name = shortened(&name).into_owned();
    let detail = format!("there is no field {name}; the fields are {}", names.join(", "));
    Problem::new(Code::UnknownField, detail).field(name)
}

/// An object's key, looked up among the names without a copy.
struct Name<const N: usize> {
    names: &'static [&'static str; N],
}

enum Key {
    Known(usize),
    Unknown(String),
}

impl<'de, const N: usize> DeserializeSeed<'de> for Name<N> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<N> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        match self.names.iter().position(|known| *known == name) {
            Some(index) => Ok(Key::Known(index)),
            None => Ok(Key::Unknown(name.to_owned())),
        }
    }
}

/// A field that must have been sent.
pub fn required<'a>(field: Option<Field<'a>>, name: &'static str) -> Result<Field<'a>, Problem> {
    field.ok_or_else(|| Problem::new(Code::MissingField, format!("{name} is missing; send it")).field(name))
}

/// A field that may be left out; `null` is as good as not sent.
pub fn optional(field: Option<Field<'_>>) -> Option<Field<'_>> {
    field.filter(|field| !field.is_null())
}

impl<'a> Field<'a> {
    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Whether it was sent as `null`.
    pub fn is_null(self) -> bool {
        self.text == "null"
    }

    /// The field as a text.
    pub fn text(self) -> Result<Cow<'a, str>, Problem> {
        self.string().ok_or_else(|| {
            let detail = format!("{} is {} and must be a string", self.name, shortened(self.text));
            Problem::new(Code::InvalidType, detail).field(self.name)
        })
    }

    /// The field as one of these words.
    pub fn one_of<T: Copy>(self, words: &[(&str, T)], code: Code) -> Result<T, Problem> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let detail = format!("{} is {:?}; send one of {}", self.name, shortened(&text), words.join(", "));
            Problem::new(code, detail).field(self.name)
        })
    }

    /// The field as true or false.
    pub fn boolean(self) -> Result<bool, Problem> {
        self.text.parse().map_err(|_| {
            let detail = format!("{} is {} and must be true or false", self.name, shortened(self.text));
            Problem::new(Code::InvalidType, detail).field(self.name)
        })
    }

    /// The field as a whole number: sent as a number or as a string of digits.
    pub fn whole(self) -> Result<u64, Problem> {
        let text = self.string().unwrap_or(Cow::Borrowed(self.text));
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits {
            let detail = format!("{} is {} and must be a whole number", self.name, shortened(self.text));
            return Err(Problem::new(Code::InvalidType, detail).field(self.name));
        }
        text.parse().map_err(|_| {
            let detail = format!("{} is {}: send a smaller number", self.name, shortened(self.text));
            Problem::new(Code::OutOfRange, detail).field(self.name)
        })
    }

    /// The elements of the field's array, each as its JSON text under the array's name.
    pub fn elements(self) -> Result<Vec<&'a str>, Problem> {
        let elements: Result<Vec<&RawValue>, _> = serde_json::from_str(self.text);
        match elements {
            Ok(elements) => Ok(elements.into_iter().map(RawValue::get).collect()),
            Err(_) => {
                let detail = format!("{} is {} and must be an array", self.name, shortened(self.text));
                Err(Problem::new(Code::InvalidType, detail).field(self.name))
            }
        }
    }

    /// The field as a decimal number: sent as a number or a string, taken exactly. `not_positive` is the code of a
    /// negative one.
    pub fn decimal(self, not_positive: Code) -> Result<Decimal, Problem> {
        let text = match self.text.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => Cow::Borrowed(self.text),
            _ => self.string().ok_or_else(|| {
                let detail = format!("{} is {} and must be a number or a string", self.name, shortened(self.text));
                Problem::new(Code::InvalidType, detail).field(self.name)
            })?,
        };
        text.parse().map_err(|error| {
            let (code, remedy) = match error {
                ParseDecimalError::Malformed => (Code::InvalidDecimal, "write it as 100.5"),
                ParseDecimalError::Negative => (not_positive, "it must be above zero"),
                ParseDecimalError::TooManyDecimals => (Code::TooManyDecimals, "round it to at most eight decimals"),
                ParseDecimalError::OutOfRange => (Code::OutOfRange, "send a smaller one"),
            };
            let detail = format!("{} is {}: {error}; {remedy}", self.name, shortened(self.text));
            Problem::new(code, detail).field(self.name)
        })
    }

    /// The text inside the quotes; none where the field is no string.
    fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            // The whole was read as JSON before; only half a surrogate pair can still fail here.
            return serde_json::from_str::<String>(self.text).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(inner))
    }
}

/// A value as it is repeated in an answer.
pub fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
