//! What the licences of others' code want to be told with the program: a file on all crates that it is linked with, and
//! those on Rust's own library and on musl's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::places::built;
use crate::project::{Project, output};
use crate::vm::arch::Arch;

/// What the files are called that hold a licence or what it wants to be told, without regard to case.
const NAMES: [&str; 6] = ["licen", "copying", "copyright", "notice", "unlicense", "authors"];
/// Where Rust has its own, below the directory of the toolchain, and what they are called beside ours. That of its
/// mathematics names musl, whose C library is linked as well.
const OF_RUST: [(&str, &str); 2] = [
    ("share/doc/rust/COPYRIGHT-library.html", "rust.html"),
    ("lib/rustlib/src/rust/library/compiler-builtins/libm/LICENSE.txt", "musl.txt"),
];

/// A crate that somebody else has made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    /// Its licences, as cargo names them, and where it comes from.
    terms: String,
    dir: PathBuf,
}

/// Writes them into a directory beside the program.
pub(super) fn write(project: &Project, platform: Arch) -> Result<()> {
    let dir = built(project, platform).join("notices");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    fs::write(dir.join("crates.txt"), notices(&linked(project, platform)?)?).context("write the notices")?;
    let sysroot = output(Command::new("rustc").current_dir(&project.root).args(["--print", "sysroot"]))?;
    for (from, to) in OF_RUST {
        let from = Path::new(sysroot.trim()).join(from);
        fs::copy(&from, dir.join(to)).with_context(|| format!("copy {}", from.display()))?;
    }
    Ok(())
}

/// The crates of others that the program and its BPF programs are linked with.
fn linked(project: &Project, platform: Arch) -> Result<BTreeSet<Crate>> {
    let target = platform.target();
    let mut tree = project.cargo();
    tree.args(["tree", "--locked", "--package", "zcdiag", "--package", "zcdiag-ebpf", "--prefix", "none"]);
    let tree = output(tree.args(["--edges", "normal,no-proc-macro", "--target", target, "--format", "{p}"]))?;
    let mut metadata = project.cargo();
    metadata.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)?).context("parse cargo metadata")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    // Ours come from no registry.
    let others = packages.filter(|package| !package["source"].is_null());
    let known: BTreeMap<(&str, &str), &Value> =
        others.map(|package| ((word(package, "name"), word(package, "version")), package)).collect();
    // `name v1.2.3`, and what else there is to say of it.
    let names = tree.lines().filter_map(|line| line.split_once(" v"));
    let crates = names.filter_map(|(name, rest)| {
        let version = rest.split_whitespace().next()?;
        let package = known.get(&(name, version))?;
        let (license, from) = (word(package, "license"), word(package, "repository"));
        Some(Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            terms: format!("{license}, {from}"),
            dir: Path::new(word(package, "manifest_path")).parent()?.to_owned(),
        })
    });
    Ok(crates.collect())
}

fn word<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

/// Each text once, under the crates that have it.
fn notices(crates: &BTreeSet<Crate>) -> Result<String> {
    ensure!(!crates.is_empty(), "cargo tree names no crate that the program is linked with");
    let mut texts: BTreeMap<String, BTreeSet<&Crate>> = BTreeMap::new();
    let mut all =
        "The program is linked with these crates; the texts of their licences follow.\n\n".to_owned();
    for one in crates {
        let Crate { name, version, terms, .. } = one;
        let found = texts_in(&one.dir)?;
        let lacks = if found.is_empty() { " (its package has no text)" } else { "" };
        writeln!(all, "{name} {version}: {terms}{lacks}")?;
        for text in found {
            texts.entry(text).or_default().insert(one);
        }
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|(_, one), (_, other)| one.cmp(other));
    for (text, of) in texts {
        let of: Vec<String> = of.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        write!(all, "\n{}\n{}\n\n{text}\n", "=".repeat(80), of.join(", "))?;
    }
    Ok(all)
}

/// The texts in a crate's directory.
fn texts_in(dir: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
    let mut texts = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if NAMES.iter().any(|begin| name.starts_with(begin)) && entry.path().is_file() {
            let bytes = fs::read(entry.path()).with_context(|| format!("read {}", entry.path().display()))?;
            let lines =
                String::from_utf8_lossy(&bytes).lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            texts.insert(lines.trim_matches('\n').to_owned());
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_once_under_all_who_have_it() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let a_crate = |name: &str, files: &[(&str, &str)]| {
            let dir = dir.path().join(name);
            fs::create_dir(&dir).expect("create a crate");
            for (file, text) in files {
                fs::write(dir.join(file), text).expect("write");
            }
            let (version, terms) = ("1.0.0".to_owned(), "MIT, elsewhere".to_owned());
            Crate { name: name.to_owned(), version, terms, dir }
        };
        let crates = [
            a_crate("one", &[("LICENSE-MIT", "Do as you like.\r\n"), ("lib.rs", "fn main() {}")]),
            a_crate("two", &[("license.md", "Do as you like.\n\n"), ("NOTICE", "By two.\n")]),
            a_crate("three", &[]),
        ];
        let text = notices(&crates.into()).expect("they can be read");
        assert_eq!(text.matches("Do as you like.").count(), 1, "{text}");
        assert!(text.contains("\none 1.0.0, two 1.0.0\n\nDo as you like.\n"), "{text}");
        assert!(text.contains("\ntwo 1.0.0\n\nBy two.\n") && !text.contains("fn main"), "{text}");
        assert!(text.contains("three 1.0.0: MIT, elsewhere (its package has no text)\n"), "{text}");
        assert!(notices(&BTreeSet::new()).is_err());
    }

    #[test]
    fn what_is_linked_is_told_and_nothing_else() {
        let project = Project::find().expect("the workspace");
        let crates = linked(&project, Arch::Amd64).expect("cargo knows them");
        let names: BTreeSet<&str> = crates.iter().map(|one| one.name.as_str()).collect();
        for name in ["tokio", "aya", "aya-ebpf", "rustls", "ring"] {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        for name in ["zcdiag", "zcdiag-wire", "proptest", "serde_derive"] {
            assert!(!names.contains(name), "{name}: {names:?}");
        }
        let text = notices(&crates).expect("they can be read");
        assert!(text.contains("Apache License") && text.contains("WITHOUT WARRANTY OF ANY KIND"));
    }
}
