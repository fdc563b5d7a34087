//! Commands in the documentation are commands that the program takes.

use std::{fs, path::Path};

use clap::{Parser as _, error::ErrorKind};

use super::args::Args;

/// The pages: the README, and the book.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = fs::read_dir(root.join("docs/src")).expect("the book");
    let files = book.map(|entry| entry.expect("a file of the book").path());
    let files = files.chain([root.join("README.md")]);
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("read a page"))).collect()
}

/// The commands of a page: in blocks the lines that begin with one, elsewhere what is between backticks.
fn commands(page: &str) -> Vec<&str> {
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

/// Words as a shell makes them of such commands, with a number where any process is meant, and without "and so on".
fn words(command: &str) -> Vec<String> {
    let words = command.split_whitespace().filter(|word| *word != "..");
    words.map(|word| if word == "PID" { "1" } else { word }.trim_matches('\'').to_owned()).collect()
}

#[test]
fn what_the_documentation_types_is_understood() {
    let (mut known, mut refused) = (0, Vec::new());
    for (name, page) in pages() {
        for command in commands(&page) {
            // Stands for any command.
            if command.contains("COMMAND") || command.starts_with("zcdiag ..") {
                continue;
            }
            known += 1;
            let words = words(command);
            // Its name alone speaks of a command, and does not type it.
            let named = words.len() == 2;
            if let Err(error) = Args::try_parse_from(words)
                && !(named && error.kind() == ErrorKind::MissingRequiredArgument)
            {
                refused.push(format!("{name}: {command}: {error}"));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(known > 50, "{known} commands were found");
}

#[test]
fn a_command_is_found_where_it_is_typed() {
    let page = "Use `zcdiag taps`, not `ss -0pe`.\n```console\n$ sudo zcdiag watch --json | jq .  # all of it\nzcdiag: said\n```\n";
    assert_eq!(commands(page), ["zcdiag taps", "zcdiag watch --json"]);
}
