//! What all JSON documents share. What they hold are types of their own in the modules beside, never the domain's own:
//! those may change, and keys may not.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CompactFormatter, Formatter, PrettyFormatter},
};

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
///
/// # Errors
/// The output cannot be written to.
pub(crate) fn line(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    write(out, object, CompactFormatter)
}

/// Writes an object as lines that are indented.
///
/// # Errors
/// The output cannot be written to.
pub(super) fn lines(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    write(out, object, PrettyFormatter::new())
}

fn write(out: &mut dyn Write, object: &impl Serialize, formatter: impl Formatter) -> io::Result<()> {
    // At one go: readers of pipes get whole lines.
    let mut text = Vec::new();
    object.serialize(&mut Serializer::with_formatter(&mut text, Harmless(formatter)))?;
    text.push(b'\n');
    out.write_all(&text)
}

/// Escapes what could move a terminal as well, beyond what JSON demands: the values are the same.
struct Harmless<F>(F);

/// What another formatter does as well.
macro_rules! as_before {
    ($($name:ident($($first:ident)?);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $first: bool)?) -> io::Result<()> {
            self.0.$name(writer $(, $first)?)
        })*
    };
}

impl<F: Formatter> Formatter for Harmless<F> {
    as_before! {
        begin_array();
        end_array();
        begin_array_value(first);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_dangerous) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut tail = tail.chars();
            for unit in tail.next().into_iter().flat_map(utf16) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = tail.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// A character as JSON escapes it: one unit, or two.
fn utf16(character: char) -> impl Iterator<Item = u16> {
    let mut units = [0; 2];
    let length = character.encode_utf16(&mut units).len();
    units.into_iter().take(length)
}

#[cfg(test)]
mod tests;
