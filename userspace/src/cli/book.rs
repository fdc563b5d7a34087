//! Pages of the book that are made from what the program knows: a page for each cause, what each command takes, and
//! their lists. `ZCDIAG_BLESS=1 cargo test -p zcdiag --lib book` writes them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;

use super::Args;
use crate::{diagnose::causes::CAUSES, model::manual::ManualEntry};

const BLESS: &str = "ZCDIAG_BLESS=1 cargo test -p zcdiag --lib book";

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src")
}

fn read(page: &str) -> String {
    fs::read_to_string(book().join(page)).unwrap_or_default()
}

/// Writes the page, or has it be this text.
fn settle(page: &str, right: &str) {
    if std::env::var_os("ZCDIAG_BLESS").is_some() {
        let path = book().join(page);
        fs::create_dir_all(path.parent().expect("a directory")).expect("make the directory");
        fs::write(path, right).expect("write the page");
    } else {
        assert!(read(page) == right, "docs/src/{page} is not up to date: {BLESS}");
    }
}

/// Where that begins and ends in a page which is made.
fn marks(what: &str) -> [String; 2] {
    [format!("<!-- {what}, written by `{BLESS}` -->\n"), format!("<!-- end of {what} -->\n")]
}

/// The page with this between its marks.
fn between(page: &str, what: &str, middle: &str) -> String {
    let [begin, end] = marks(what);
    let marked = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = marked.unwrap_or_else(|| panic!("no {begin}{end}in {page}"));
    format!("{before}{begin}{middle}{end}{after}")
}

/// That a directory has a page for each of these names, and no other.
fn has_exactly(dir: &str, names: impl IntoIterator<Item = String>) {
    let names: BTreeSet<String> = names.into_iter().map(|name| format!("{name}.md")).collect();
    let files = fs::read_dir(book().join(dir)).expect("the directory");
    let files: BTreeSet<String> =
        files.map(|file| file.expect("a page").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files, names, "docs/src/{dir}");
}

fn section(page: &mut String, title: &str, bullet: &str, lines: &[&str]) {
    write!(page, "\n## {title}\n\n").expect("a string takes all");
    for line in lines {
        writeln!(page, "{bullet} {line}").expect("a string takes all");
    }
}

fn cause_page(cause: &ManualEntry) -> String {
    let ManualEntry { id, summary, meaning, by_hand, remedies, stacks } = cause;
    let mut page = format!(
        "<!-- written by `{BLESS}` -->\n# `{id}`: {summary}\n\n{meaning}\n\nOn a host, `zcdiag causes {id}` prints this \
         page. [All causes](../causes.md).\n"
    );
    section(&mut page, "See it by hand", "-", by_hand);
    section(&mut page, "What to do, best first", "1.", remedies);
    page.push_str("\n## Kernel stacks\n\nThe copying function comes first.\n");
    for stack in stacks {
        write!(page, "\n```text\n{}\n```\n", stack.join("\n")).expect("a string takes all");
    }
    page
}

#[test]
fn each_cause_has_a_page_and_a_row() {
    for cause in CAUSES {
        settle(&format!("causes/{}.md", cause.id), &cause_page(&cause.manual()));
    }
    has_exactly("causes", CAUSES.iter().map(|cause| cause.id.to_string()));
    let rows =
        CAUSES.iter().map(|cause| format!("| [`{0}`](causes/{0}.md) | {1} |\n", cause.id, cause.summary));
    let table = format!("\n| cause | what happened |\n|---|---|\n{}\n", rows.collect::<String>());
    settle("causes.md", &between(&read("causes.md"), "the table of causes", &table));
}

/// The commands that are no secret, with all that they take.
fn commands() -> Vec<clap::Command> {
    let mut program = Args::command().term_width(100);
    program.build();
    let known =
        program.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    known.cloned().collect()
}

/// What its author writes, at first: the rest is asked for by the test.
fn blank(command: &clap::Command) -> String {
    let name = command.get_name();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!(
        "# zcdiag {name}\n\n{about}.\n\n## Examples\n\n## Exit codes\n\n## Options\n\n{}",
        marks(OPTIONS).concat()
    )
}

const OPTIONS: &str = "options";

#[test]
fn each_command_has_a_page_with_examples_and_exit_codes() {
    for mut command in commands() {
        let page = format!("commands/{}.md", command.get_name());
        let text = match read(&page) {
            none if none.is_empty() => blank(&command),
            text => text,
        };
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let help = format!("\n```text\n{}\n```\n\n", help.join("\n").trim_end());
        settle(&page, &between(&text, OPTIONS, &help));
        for part in ["## Examples", "## Exit codes"] {
            let told = text.split_once(&format!("{part}\n")).map_or("", |(_, rest)| rest.trim_start());
            assert!(!told.is_empty() && !told.starts_with('#'), "docs/src/{page} tells nothing under {part}");
        }
    }
    has_exactly("commands", commands().iter().map(|command| command.get_name().to_owned()));
}

/// The summary with such lines below the page that they belong to, and nothing else of their directory.
fn listed(summary: &str, below: &str, dir: &str, entries: impl Iterator<Item = (String, String)>) -> String {
    let link = format!("]({dir}/");
    let entries: Vec<String> =
        entries.map(|(title, name)| format!("  - [{title}]({dir}/{name}.md)\n")).collect();
    let mut lines = String::new();
    for line in summary.lines().filter(|line| !line.contains(&link)) {
        lines.push_str(line);
        lines.push('\n');
        if line.ends_with(&format!("]({below})")) {
            lines.push_str(&entries.concat());
        }
    }
    lines
}

#[test]
fn the_summary_lists_each_of_them() {
    let commands = commands();
    let commands = commands.iter().map(|command| {
        let name = command.get_name().to_owned();
        (format!("zcdiag {name}"), name)
    });
    let causes = CAUSES.iter().map(|cause| (cause.id.to_string(), cause.id.to_string()));
    let right = listed(&read("SUMMARY.md"), "commands.md", "commands", commands);
    settle("SUMMARY.md", &listed(&right, "causes.md", "causes", causes));
}
