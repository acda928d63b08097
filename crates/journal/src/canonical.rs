//! Writes the canonical encoding: what of JSON commands and events are made of, and nothing else.
//!
//! The text is hashed, so no release of a library may change it; and it is written for each command that comes and each row
//! of the log. Names of fields and variants are those of our types, without anything to escape, so they are not searched.

use std::fmt::{self, Display, Write};

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeSeq, SerializeStruct, Serializer};

/// A value's canonical text.
///
/// # Panics
/// If its type is made of something else: a mistake that every test of it shows.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = String::with_capacity(USUAL);
    match value.serialize(Canonical(&mut text)) {
        Ok(()) => text,
        Err(Unknown(what)) => panic!("the canonical encoding has no {what}"),
    }
}

/// About what a command or its events take.
const USUAL: usize = 512;

/// Something that the encoding does not have.
#[derive(Debug)]
pub struct Unknown(String);

impl Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unknown {}

impl ser::Error for Unknown {
    fn custom<T: Display>(message: T) -> Unknown {
        Unknown(message.to_string())
    }
}

fn unknown<T>(what: &str) -> Result<T, Unknown> {
    Err(Unknown(what.to_owned()))
}

/// Writes one value at the end of the text.
struct Canonical<'a>(&'a mut String);

/// Writes the elements or fields of one value, and then what closes it.
struct Members<'a> {
    text: &'a mut String,
    first: bool,
    close: char,
}

impl<'a> Members<'a> {
    fn open(text: &'a mut String, open: char, close: char) -> Members<'a> {
        text.push(open);
        Members { text, first: true, close }
    }

    /// Where the next one is written.
    fn next(&mut self) -> &mut String {
        if !std::mem::take(&mut self.first) {
            self.text.push(',');
        }
        self.text
    }

    fn close(self) {
        self.text.push(self.close);
    }
}

impl SerializeSeq for Members<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        value.serialize(Canonical(self.next()))
    }

    fn end(self) -> Result<(), Unknown> {
        self.close();
        Ok(())
    }
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unknown> {
        let text = self.next();
        push_name(text, name);
        text.push(':');
        value.serialize(Canonical(text))
    }

    fn end(self) -> Result<(), Unknown> {
        self.close();
        Ok(())
    }
}

/// A name of ours.
fn push_name(text: &mut String, name: &'static str) {
    debug_assert!(is_plain(name), "{name:?} would have to be escaped");
    text.push('"');
    text.push_str(name);
    text.push('"');
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    // Without a way out in the middle, the compiler looks at many bytes at once.
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

/// What a text has to be written as: control characters by their letter or their number, quotation marks and backslashes
/// behind a backslash.
fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            // Writing to a string cannot fail.
            '\0'..='\u{1f}' => drop(write!(text, "\\u{:04x}", u32::from(character))),
            _ => text.push(character),
        }
    }
}

impl<'a> Serializer for Canonical<'a> {
    type Ok = ();
    type Error = Unknown;
    type SerializeSeq = Members<'a>;
    type SerializeTuple = Impossible<(), Unknown>;
    type SerializeTupleStruct = Impossible<(), Unknown>;
    type SerializeTupleVariant = Impossible<(), Unknown>;
    type SerializeMap = Impossible<(), Unknown>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Impossible<(), Unknown>;

    fn serialize_bool(self, value: bool) -> Result<(), Unknown> {
        self.0.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Unknown> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Unknown> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Unknown> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Unknown> {
        self.0.push_str(itoa::Buffer::new().format(value));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Unknown> {
        self.0.push('"');
        if is_plain(value) {
            self.0.push_str(value);
        } else {
            push_escaped(self.0, value);
        }
        self.0.push('"');
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Unknown> {
        self.0.push('"');
        let begin = self.0.len();
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{value}");
        if !is_plain(&self.0[begin..]) {
            let value = self.0.split_off(begin);
            push_escaped(self.0, &value);
        }
        self.0.push('"');
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unknown> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unknown> {
        push_name(self.0, variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Unknown> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'a>, Unknown> {
        Ok(Members::open(self.0, '[', ']'))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, Unknown> {
        Ok(Members::open(self.0, '{', '}'))
    }

    fn serialize_none(self) -> Result<(), Unknown> {
        unknown("null: what is absent is left out")
    }

    fn serialize_unit(self) -> Result<(), Unknown> {
        unknown("null")
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unknown> {
        unknown("null")
    }

    fn serialize_i8(self, _: i8) -> Result<(), Unknown> {
        unknown("number below 0")
    }

    fn serialize_i16(self, _: i16) -> Result<(), Unknown> {
        unknown("number below 0")
    }

    fn serialize_i32(self, _: i32) -> Result<(), Unknown> {
        unknown("number below 0")
    }

    fn serialize_i64(self, _: i64) -> Result<(), Unknown> {
        unknown("number below 0")
    }

    fn serialize_f32(self, _: f32) -> Result<(), Unknown> {
        unknown("floating point")
    }

    fn serialize_f64(self, _: f64) -> Result<(), Unknown> {
        unknown("floating point")
    }

    fn serialize_char(self, _: char) -> Result<(), Unknown> {
        unknown("single character")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unknown> {
        unknown("bytes")
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Unknown> {
        unknown("variant without a type in front")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unknown> {
        unknown("tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unknown> {
        unknown("tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unknown> {
        unknown("tuple")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unknown> {
        unknown("map")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unknown> {
        unknown("variant without a type in front")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any reader of JSON understands it, and serde_json writes the same.
    #[test]
    fn every_character_is_written_as_json_has_it() {
        let all: String = ('\0'..='\u{fff}').chain("\u{2028}\u{fffd}\u{1f980}".chars()).collect();
        assert_eq!(encode(&all), serde_json::to_string(&all).expect("a text"));
        assert_eq!(encode("plain"), r#""plain""#);
        struct Quoted;
        impl Display for Quoted {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"\\\n\u{1}")
            }
        }
        impl Serialize for Quoted {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        assert_eq!(encode(&Quoted), r#""\"\\\n\u0001""#);
    }

    #[test]
    fn what_the_encoding_does_not_have_is_refused() {
        let refused = |result: std::thread::Result<String>| {
            let panic = result.expect_err("refused");
            panic.downcast::<String>().expect("a message").to_string()
        };
        assert!(refused(std::panic::catch_unwind(|| encode(&1.5))).contains("floating point"));
        assert!(refused(std::panic::catch_unwind(|| encode(&None::<u64>))).contains("null"));
    }
}
