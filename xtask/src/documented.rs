//! Commands of `cargo xtask` in the documentation are commands that it takes.

use std::fs;
use std::path::Path;

use clap::Parser as _;

use super::Command;

/// What stands for something in the documentation, and something that it can stand for.
const STAND_INS: [(&str, &str); 4] = [("K", "6.1"), ("N", "2"), ("CMD", "true"), ("RATIO", "1.1")];

/// The README, what is for developers, and the book.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = fs::read_dir(root.join("docs/src")).expect("the book");
    let book = book.map(|entry| entry.expect("a file of the book").path());
    let others =
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "userspace/tests/fixtures/btf/README.md"];
    let files = book.chain(others.map(|name| root.join(name)));
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("read a page"))).collect()
}

/// The commands of a page, without comments, what comes behind a pipe, and "and so on".
fn commands(page: &str) -> Vec<Vec<String>> {
    let found = page.lines().flat_map(|line| line.split("cargo xtask ").skip(1));
    let typed = found.map(|rest| rest.split(['`', '#']).next().unwrap_or_default());
    let typed = typed.map(|rest| rest.split(" | ").next().unwrap_or_default());
    typed.map(|command| command.split_whitespace().filter_map(word).collect()).collect()
}

fn word(word: &str) -> Option<String> {
    let word = word.trim_matches(['[', ']', ',', '.', ';', ':']);
    let word = STAND_INS.iter().find(|(name, _)| *name == word).map_or(word, |(_, meant)| meant);
    (!word.is_empty() && !["NAME", "ARG", "FILTER"].contains(&word)).then(|| word.to_owned())
}

#[test]
fn what_the_documentation_types_is_understood() {
    let (mut known, mut refused) = (0, Vec::new());
    for (name, page) in pages() {
        for command in commands(&page) {
            known += 1;
            let words = ["xtask".to_owned()].into_iter().chain(command.iter().cloned());
            if let Err(error) = Command::try_parse_from(words) {
                refused.push(format!("{name}: cargo xtask {}: {error}", command.join(" ")));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(known > 20, "{known} commands were found");
}

#[test]
fn a_command_is_found_where_it_is_typed() {
    let page = "Run `cargo xtask bench cost [--kernel K]`, then\n```\ncargo xtask test  # everything\n```\n";
    assert_eq!(commands(page), [vec!["bench", "cost", "--kernel", "6.1"], vec!["test"]]);
}
