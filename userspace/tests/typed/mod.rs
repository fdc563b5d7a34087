//! Commands of zcdiag as the documentation types them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The pages: the README, and the book.
pub(crate) fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![root.join("README.md")];
    markdown(&root.join("docs/src"), &mut files);
    files
        .iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(path).expect("read a page")))
        .collect()
}

/// All pages below a directory.
fn markdown(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory of the book") {
        let path = entry.expect("a file of the book").path();
        if path.is_dir() {
            markdown(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// The commands of a page: in blocks the lines that begin with one, elsewhere what is between backticks.
pub(crate) fn commands(page: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            commands.push(line);
        } else {
            commands.extend(line.split('`').skip(1).step_by(2));
        }
    }
    commands.into_iter().filter_map(of_zcdiag).collect()
}

/// What is typed, without prompt, comment, and what comes behind a pipe; `None` if it is no command of zcdiag's.
fn of_zcdiag(line: &str) -> Option<&str> {
    let line = line.trim_start_matches("$ ").trim_start_matches("sudo ");
    let line = line.split(" #").next()?.split(" | ").next()?.trim_end();
    line.starts_with("zcdiag ").then_some(line)
}
