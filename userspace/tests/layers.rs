//! Who uses whom is what the table in ARCHITECTURE.md allows.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A row of the table "Who does what" on a part of user space.
struct Row {
    /// Path of a file or directory below `userspace/src`.
    path: String,
    /// Modules that it may use, as in `taps::cure`.
    may_use: Vec<String>,
    /// Those of them that it names itself.
    named: usize,
}

impl Row {
    fn covers(&self, file: &str) -> bool {
        let path = self.path.trim_end_matches(".rs");
        let rest = file.trim_end_matches(".rs").strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn module(&self) -> String {
        self.path.trim_end_matches(".rs").replace('/', "::")
    }
}

/// Whether a path leads to a module, or into it.
fn leads_into(import: &str, module: &str) -> bool {
    import.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn table(architecture: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in architecture.lines() {
        let [_, path, _, may_use, _] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            continue;
        };
        let Some(path) = quoted(path).next().and_then(|path| path.strip_prefix("userspace/src/")) else {
            continue;
        };
        let mut allowed: Vec<String> = quoted(may_use).map(str::to_owned).collect();
        let named = allowed.len();
        if may_use.contains("all above") {
            allowed.extend(rows.iter().map(Row::module).chain(["wire".to_owned()]));
        }
        rows.push(Row { path: path.to_owned(), may_use: allowed, named });
    }
    rows
}

/// All source files below a directory but those of tests.
fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("list the sources") {
        let path = entry.expect("read an entry").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// The code without comments and without modules of tests.
fn code(source: &str) -> String {
    let mut code = String::new();
    let (mut marked, mut skipped) = (false, false);
    for line in source.lines() {
        skipped |= marked && line.contains("mod ") && line.ends_with('{');
        marked = line == "#[cfg(test)]";
        if !skipped {
            code.push_str(line.split_once("//").map_or(line, |(code, _)| code));
            code.push('\n');
        }
        skipped &= line != "}";
    }
    code
}

/// The paths of a `use` tree, or the one path, that `text` begins with.
fn paths(text: &str) -> Vec<String> {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut all = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('}') {
                return all;
            }
            all.extend(paths(rest));
            let mut depth = 0;
            let end = rest.char_indices().find(|(_, character)| {
                match character {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    ',' | '}' => return depth == 0,
                    _ => (),
                }
                false
            });
            let Some((end, _)) = end else { return all };
            rest = rest[end..].trim_start_matches(',');
        }
    }
    let end =
        text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    match rest.strip_prefix("::") {
        Some(rest) => paths(rest).into_iter().map(|path| format!("{name}::{path}")).collect(),
        None => vec![name.to_owned()],
    }
}

/// What a file uses of this crate and of the wire types, as paths from the root of the crate.
fn imports(file: &str, source: &str) -> BTreeSet<String> {
    let code = code(source);
    let mut imports = BTreeSet::new();
    let begins =
        |at: usize| !code[..at].ends_with(|before: char| before.is_alphanumeric() || "_:$".contains(before));
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| begins(*at)) {
        imports.extend(paths(&code[at + "crate::".len()..]));
    }
    if code.match_indices("zcdiag_wire").any(|(at, _)| begins(at)) {
        imports.insert("wire".to_owned());
    }
    let module: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    for (at, _) in code.match_indices("super::").filter(|(at, _)| begins(*at)) {
        let mut rest = &code[at..];
        let mut above = module.len();
        while let Some(further) = rest.strip_prefix("super::") {
            (rest, above) = (further, above.saturating_sub(1));
        }
        let parent = module[..above].join("::");
        imports.extend(
            paths(rest).into_iter().map(|path| if above == 0 { path } else { format!("{parent}::{path}") }),
        );
    }
    imports
}

/// Files with what they use, but for the roots of library and program.
fn files() -> Vec<(String, BTreeSet<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let named = files.into_iter().map(|path| {
        let source = fs::read_to_string(&path).expect("read a source");
        let file = path.strip_prefix(&root).expect("below the root").to_str().expect("UTF-8").to_owned();
        let imports = imports(&file, &source);
        (file, imports)
    });
    named.filter(|(file, _)| !["lib.rs", "main.rs"].contains(&file.as_str())).collect()
}

fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md");
    table(&fs::read_to_string(path).expect("read ARCHITECTURE.md"))
}

/// The row with most to say about a file.
fn row_of<'a>(rows: &'a [Row], file: &str) -> Option<&'a Row> {
    rows.iter().filter(|row| row.covers(file)).max_by_key(|row| row.path.len())
}

#[test]
fn nobody_uses_what_the_table_does_not_allow() {
    let rows = rows();
    let files = files();
    let rooms: BTreeSet<&str> = files
        .iter()
        .filter_map(|(file, _)| file.trim_end_matches(".rs").split('/').next())
        .chain(["wire"])
        .collect();
    let mut wrong = Vec::new();
    for (file, imports) in &files {
        let Some(row) = row_of(&rows, file) else {
            wrong.push(format!("{file} has no row"));
            continue;
        };
        let foreign = imports.iter().filter(|import| {
            import.split("::").next().is_some_and(|room| rooms.contains(room))
                && !leads_into(import, &row.module())
        });
        let forbidden = foreign.filter(|import| !row.may_use.iter().any(|module| leads_into(import, module)));
        wrong.extend(forbidden.map(|import| format!("{file} uses {import}")));
    }
    assert!(wrong.is_empty(), "not allowed by the table in ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_allows_by_name_only_what_is_used() {
    let (rows, files) = (rows(), files());
    for row in &rows {
        let used: BTreeSet<&String> = files
            .iter()
            .filter(|(file, _)| row_of(&rows, file).is_some_and(|own| own.path == row.path))
            .flat_map(|(_, imports)| imports)
            .collect();
        assert!(
            !row.path.is_empty() && files.iter().any(|(file, _)| row.covers(file)),
            "no file is in {}",
            row.path
        );
        for module in &row.may_use[..row.named] {
            assert!(
                used.iter().any(|import| leads_into(import, module)),
                "{} does not use {module}",
                row.path
            );
        }
    }
}

#[test]
fn imports_are_read_from_trees_and_from_paths_in_the_code() {
    let source = "use crate::{\n    model::{self, netns::{Device, Netns}},\n    taps::cure::smallest,\n};\n\
                  use super::super::render::words; // crate::app\n\
                  fn f() -> crate::sys::SysError { zcdiag_wire::x() }\n\
                  #[cfg(test)]\nmod tests {\n    use crate::cli;\n}\nuse crate::qmp;\n";
    let expected = [
        "model::netns::Device",
        "model::netns::Netns",
        "model::self",
        "qmp",
        "render::words",
        "sys::SysError",
        "taps::cure::smallest",
        "wire",
    ];
    assert_eq!(imports("diagnose/report.rs", source), BTreeSet::from(expected.map(str::to_owned)));
}
