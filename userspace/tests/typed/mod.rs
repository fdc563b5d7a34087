//! Commands of zcdiag as the documentation types them.

use std::{fs, path::Path};

/// The pages: the README, and the book.
pub(crate) fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = fs::read_dir(root.join("docs/src")).expect("the book");
    let files = book.map(|entry| entry.expect("a file of the book").path());
    let files = files.chain([root.join("README.md")]);
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("read a page"))).collect()
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
