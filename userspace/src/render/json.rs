//! What all JSON documents share. What they hold are types of their own in the modules beside, never the domain's own:
//! those may change, and keys may not.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use super::lines::is_dangerous;
use crate::model::report::Split;

/// Version of all documents: rises when a key of one of them changes its meaning or goes.
pub(crate) const SCHEMA: u32 = 1;

#[derive(Serialize, JsonSchema)]
pub(super) struct SplitJson {
    zerocopied: u64,
    copied: u64,
}

impl From<Split> for SplitJson {
    fn from(split: Split) -> Self {
        Self { zerocopied: split.zerocopied, copied: split.copied }
    }
}

/// Writes an object as one line.
pub(super) fn line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(object)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// The same, and whatever could move a terminal is escaped.
pub(super) fn harmless_line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    object.serialize(&mut Serializer::with_formatter(&mut *out, PlainFormatter))?;
    out.write_all(b"\n")
}

/// Escapes what could move a terminal, beyond what JSON demands.
struct PlainFormatter;

impl Formatter for PlainFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_dangerous) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut tail = tail.chars();
            // All dangerous characters are in the Basic Multilingual Plane: one escape is enough.
            if let Some(character) = tail.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = tail.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
