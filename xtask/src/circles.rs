//! No file imports, over however many others, what imports it.
//!
//! A module that declares another, or is named on the way to something, is structure. What counts is an item: a file
//! that uses one needs the file that defines it.

mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use self::source::{Source, parse};

/// The first file of every program and library with modules, and what its modules are called here.
const ROOTS: [(&str, &str); 5] = [
    ("xtask/src/main.rs", "xtask"),
    ("xtask/guest/src/main.rs", "guest"),
    ("ebpf/src/main.rs", "ebpf"),
    ("ebpf/wire/src/lib.rs", "wire"),
    ("userspace/src/lib.rs", "userspace"),
];

/// The modules of a crate.
struct Crate {
    modules: BTreeMap<String, Module>,
}

struct Module {
    /// Of the module whose file it is in: itself, unless it is an inline one.
    file: String,
    source: Source,
}

/// What a path leads to.
enum Found {
    Module(String),
    /// Defined in this module.
    Item(String, String),
}

/// By file, the files that it uses items of, with the names of those.
type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

impl Crate {
    fn read(root: &Path, name: &str) -> Self {
        let mut this = Self { modules: BTreeMap::new() };
        let dir = root.parent().expect("a file is in a directory");
        this.add_file(root, dir, name);
        this
    }

    /// A file, and those of the modules that it declares, which are in `dir`.
    fn add_file(&mut self, path: &Path, dir: &Path, name: &str) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let source = parse(&text);
        for child in &source.children {
            let below = dir.join(child);
            let places = [below.with_extension("rs"), below.join("mod.rs")];
            let path = places.iter().find(|place| place.exists()).unwrap_or(&places[0]);
            self.add_file(path, &below, &format!("{name}::{child}"));
        }
        self.add(name, name, source);
    }

    fn add(&mut self, name: &str, file: &str, mut source: Source) {
        for (inner, source) in std::mem::take(&mut source.inline) {
            self.add(&format!("{name}::{inner}"), file, source);
        }
        self.modules.insert(name.to_owned(), Module { file: file.to_owned(), source });
    }

    fn uses(&self) -> Uses {
        let mut all = Uses::new();
        for (name, module) in &self.modules {
            let imports = module.source.uses.iter().map(|one| (&one.path, one.name.is_none()));
            for (path, is_glob) in imports.chain(module.source.paths.iter().map(|path| (path, false))) {
                let (to, item) = match self.find(name, path, 0) {
                    Some(Found::Item(to, item)) => (to, item),
                    Some(Found::Module(to)) if is_glob => (to, "*".to_owned()),
                    _ => continue,
                };
                let to = &self.modules[&to].file;
                if *to != module.file {
                    let of_file = all.entry(module.file.clone()).or_default();
                    of_file.entry(to.clone()).or_default().insert(item);
                }
            }
        }
        all
    }

    /// What a path means that stands in `module`.
    fn find(&self, module: &str, path: &[String], depth: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let parent = || module.rsplit_once("::").map(|(parent, _)| parent);
        match first.as_str() {
            "crate" => self.walk(module.split("::").next()?, rest, depth),
            "self" => self.walk(module, rest, depth),
            "super" if rest.first().is_some_and(|next| next == "super") => self.find(parent()?, rest, depth),
            "super" => self.walk(parent()?, rest, depth),
            _ => self.walk(module, path, depth),
        }
    }

    /// What a path means that begins in `module`.
    fn walk(&self, module: &str, path: &[String], depth: usize) -> Option<Found> {
        let Some((first, rest)) = path.split_first() else { return Some(Found::Module(module.to_owned())) };
        // An import of what is not ours can lead to itself.
        if depth > 12 {
            return None;
        }
        let source = &self.modules.get(module)?.source;
        let child = format!("{module}::{first}");
        let is_child = self.modules.contains_key(&child);
        // A module and a function can have the same name.
        if source.items.contains(first) && (rest.is_empty() || !is_child) {
            return Some(Found::Item(module.to_owned(), first.clone()));
        }
        if is_child {
            return self.walk(&child, rest, depth);
        }
        let on = |found: Found| match found {
            Found::Module(module) => self.walk(&module, rest, depth + 1),
            item @ Found::Item(..) => Some(item),
        };
        if let Some(import) = source.uses.iter().find(|one| one.name.as_ref() == Some(first)) {
            return self.find(module, &import.path, depth + 1).and_then(on);
        }
        let globs = source.uses.iter().filter(|one| one.name.is_none());
        globs.into_iter().find_map(|one| match self.find(module, &one.path, depth + 1)? {
            Found::Module(glob) if glob != module => self.walk(&glob, path, depth + 1),
            _ => None,
        })
    }
}

/// The shortest way along uses.
fn way(uses: &Uses, from: &str, to: &str) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![from.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        if last == to {
            return Some(way);
        }
        for next in uses.get(last).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(next.clone()) {
                ways.push_back(way.iter().chain([next]).cloned().collect());
            }
        }
    }
    None
}

/// Each circle once, as text.
fn circles(uses: &Uses) -> Vec<String> {
    let mut found = BTreeMap::new();
    for (from, to) in uses.iter().flat_map(|(from, of)| of.keys().map(move |to| (from, to))) {
        if let Some(back) = way(uses, to, from) {
            let members: BTreeSet<String> = back.iter().cloned().collect();
            let mut text = from.clone();
            for (from, to) in [from].into_iter().chain(&back).zip(&back) {
                let items: Vec<_> = uses[from][to].iter().map(String::as_str).collect();
                text.extend([" -> ", to, " (", &items.join(", "), ")"]);
            }
            found.entry(members).or_insert(text);
        }
    }
    found.into_values().collect()
}

#[test]
fn no_file_imports_what_imports_it() {
    let mut wrong = Vec::new();
    for (root, name) in ROOTS {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(root);
        wrong.extend(circles(&Crate::read(&root, name).uses()));
    }
    assert!(wrong.is_empty(), "imports in a circle:\n{}", wrong.join("\n"));
}

fn example(files: &[(&str, &str)]) -> Vec<String> {
    let mut this = Crate { modules: BTreeMap::new() };
    for (name, text) in files {
        this.add(name, name, parse(text));
    }
    circles(&this.uses())
}

#[test]
fn an_item_of_the_parent_that_uses_the_child_closes_a_circle() {
    let parent = ("a", "mod child; fn start() { child::run() } pub struct Options;");
    let child = "use super::Options; pub fn run() {}";
    assert_eq!(example(&[parent, ("a::child", child)]), ["a -> a::child (run) -> a (Options)"]);
    let by_alias = "use crate::{self as top}; fn run() { top::Options }";
    assert_eq!(example(&[parent, ("a::child", by_alias)]).len(), 1);
    let by_glob = "use super::*; pub fn run() {}";
    assert_eq!(example(&[parent, ("a::child", by_glob)]).len(), 1);
    let inline = "pub fn run() {} mod inner { use super::super::Options; }";
    assert_eq!(example(&[parent, ("a::child", inline)]).len(), 1);
}

#[test]
fn what_a_parent_only_passes_on_or_declares_is_no_circle() {
    let parent = ("a", "mod child; mod other; pub use self::other::Options; fn start() { child::run() }");
    let other = ("a::other", "pub struct Options;");
    for child in
        ["use super::Options;", "use super::other; fn f() { other::Options }", "use super::other::Options;"]
    {
        assert_eq!(example(&[parent, other, ("a::child", &format!("{child} pub fn run() {{}}"))]), [""; 0]);
    }
}

#[test]
fn a_circle_of_three_is_one() {
    let files = [
        ("a", "mod x; mod y; mod z;"),
        ("a::x", "use super::y::Y; pub struct X;"),
        ("a::y", "use crate::z; pub struct Y(z::Z);"),
        ("a::z", "pub struct Z; fn f() { ensure!(super::x::X) }"),
    ];
    assert_eq!(example(&files), ["a::x -> a::y (Y) -> a::z (Z) -> a::x (X)"]);
}
