//! Commands in the documentation are commands that the program takes.

use clap::{Parser as _, error::ErrorKind};

use self::typed::{commands, pages};
use super::Args;

#[path = "../../tests/typed/mod.rs"]
mod typed;

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
