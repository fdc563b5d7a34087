//! What is in a bundle and what of that is private, as text or JSON.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    json::{SCHEMA, line},
    lines::{harmless, wrap},
};
use crate::model::bundle::{Bundle, Part};

/// What is in a bundle.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BundleJson<'a> {
    schema: u32,
    /// The file that was written; `null` with `--list`.
    file: Option<String>,
    parts: Vec<PartJson>,
    /// What could not be had, as in its `missing.txt`.
    missing: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct PartJson {
    #[schemars(extend("enum" = Part::ALL.map(Part::name)))]
    name: &'static str,
    files: &'static [&'static str],
    holds: &'static str,
    /// What of it is private; `null` if nothing is.
    private: Option<&'static str>,
    /// Whether it was not left out.
    included: bool,
}

/// Writes all of it as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(bundle: &Bundle, out: &mut dyn Write) -> io::Result<()> {
    let parts = Part::ALL.into_iter().map(|part| PartJson {
        name: part.name(),
        files: part.files(),
        holds: part.holds(),
        private: part.private(),
        included: !bundle.without.contains(&part),
    });
    let file = bundle.file.as_ref().map(|file| file.display().to_string());
    line(out, &BundleJson { schema: SCHEMA, file, parts: parts.collect(), missing: &bundle.missing })
}

/// Writes what goes into it, for people.
///
/// # Errors
/// The output cannot be written to.
pub fn write_list(bundle: &Bundle, out: &mut dyn Write) -> io::Result<()> {
    let (without, with): (Vec<Part>, Vec<Part>) =
        Part::ALL.into_iter().partition(|part| bundle.without.contains(part));
    writeln!(out, "The bundle has")?;
    for part in with {
        let head = format!("  {:<15}", part.name());
        write!(out, "{}", wrap(&head, &format!("{} ({})", part.holds(), part.files().join(", "))))?;
        if let Some(private) = part.private() {
            write!(out, "{}", wrap(&format!("{:17}private: ", ""), private))?;
        }
    }
    if !without.is_empty() {
        let names: Vec<&str> = without.into_iter().map(Part::name).collect();
        writeln!(out, "Left out: {}", names.join(", "))?;
    }
    writeln!(out, "--without NAME leaves one out. Nothing is sent anywhere.")
}

/// Names the file that was written.
///
/// # Errors
/// The output cannot be written to.
pub fn write_file(bundle: &Bundle, out: &mut dyn Write) -> io::Result<()> {
    let file = bundle.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    writeln!(out, "{}", harmless(&file))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::render::schema::tests::document;

    pub(crate) fn bundle() -> Bundle {
        Bundle {
            file: Some("/tmp/a\x1b.tar.gz".into()),
            without: vec![Part::Status],
            missing: vec!["configuration: none".to_owned()],
        }
    }

    #[test]
    fn what_is_private_is_said() {
        let mut out = Vec::new();
        write_list(&bundle(), &mut out).expect("write to memory");
        let said = String::from_utf8(out).expect("text is UTF-8");
        assert!(said.contains("  taps           every packet socket"), "{said}");
        assert!(
            said.contains("private: names, paths, units") && said.contains("Left out: status\n"),
            "{said}"
        );
        assert!(!said.contains("status.json"), "{said}");
        let mut out = Vec::new();
        write_file(&bundle(), &mut out).expect("write to memory");
        assert_eq!(out, b"/tmp/a\\u{1b}.tar.gz\n");
    }

    #[test]
    fn every_key_is_there() {
        let mut out = Vec::new();
        write_json(&bundle(), &mut out).expect("write to memory");
        let value = document("bundle.schema.json", &out);
        assert_eq!(
            (&value["parts"][2]["included"], &value["parts"][0]["private"]),
            (&false.into(), &().into())
        );
    }
}
