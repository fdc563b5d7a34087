//! Every relative link in README, book and changelog leads to a page, and to a heading that is there. Nothing is fetched.

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use self::page::{Page, parse};

/// Pages outside of the book.
const OTHERS: [&str; 4] = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md"];
const BOOK: &str = "docs/src";
const SUMMARY: &str = "docs/src/SUMMARY.md";
const RULES: &str = "packaging/fleet/zcdiag.rules.yml";
/// The address at which an alert's runbook is, from where the book is published.
const RUNBOOK: (&str, &str) = ("runbook_url: runbooks.html#", "docs/src/runbooks.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Pages below a directory, by their path in the project.
fn below(dir: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(dir)).expect("a directory of the book") {
        let entry = entry.expect("an entry");
        let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            below(&path, found);
        } else if entry.path().extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// A path as seen from the page `from`, without `..`; `None` if it leaves the project.
fn from_page(from: &str, to: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in Path::new(to).components() {
        match part {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

/// What `{{#include FILE}}` or `{{#include FILE:PART}}` puts there.
fn included(page: &str, what: &str) -> String {
    let (file, part) = what.split_once(':').map_or((what, None), |(file, part)| (file, Some(part)));
    let path = from_page(page, file).unwrap_or_else(|| panic!("{page} includes {file}"));
    let text = read(&path);
    let Some(part) = part else { return text };
    let begin = format!("<!-- ANCHOR: {part} -->");
    let inside = text.split_once(&begin).and_then(|(_, rest)| rest.split_once("<!-- ANCHOR_END"));
    inside.unwrap_or_else(|| panic!("{page}: {path} has no part {part}")).0.to_owned()
}

/// The text as mdbook reads it.
fn whole(page: &str) -> String {
    let mut text = String::new();
    let raw = read(page);
    let mut rest = raw.as_str();
    while let Some((before, (what, after))) =
        rest.split_once("{{#include ").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
    {
        text.push_str(before);
        text.push_str(&included(page, what));
        rest = after;
    }
    text + rest
}

fn pages() -> BTreeMap<String, Page> {
    let mut paths = OTHERS.map(str::to_owned).to_vec();
    below(BOOK, &mut paths);
    paths.into_iter().map(|path| (path.clone(), parse(&whole(&path)))).collect()
}

/// What is wrong with a link of a page, if anything is.
fn broken(pages: &BTreeMap<String, Page>, page: &str, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let Some(path) = (if path.is_empty() { Some(page.to_owned()) } else { from_page(page, path) }) else {
        return Some("leaves the project".to_owned());
    };
    if page.starts_with(BOOK) && !path.starts_with(BOOK) {
        return Some("leads out of the book, where its readers have nothing".to_owned());
    }
    match (pages.get(&path), anchor) {
        (Some(to), Some(anchor)) if !to.anchors.contains(anchor) => {
            Some(format!("{path} has no such heading"))
        }
        (None, Some(_)) => Some(format!("{path} is no page")),
        (None, None) if !root().join(&path).is_file() => Some(format!("there is no {path}")),
        _ => None,
    }
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut tried = 0;
    let mut wrong = Vec::new();
    for (name, page) in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            tried += 1;
            wrong.extend(broken(&pages, name, link).map(|why| format!("{name}: ({link}) {why}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 100, "only {tried}");
}

#[test]
fn the_summary_lists_every_page_once() {
    let mut files = Vec::new();
    below(BOOK, &mut files);
    let files: BTreeSet<String> = files.into_iter().filter(|file| file != SUMMARY).collect();
    let links = parse(&read(SUMMARY)).links;
    let listed: BTreeSet<String> = links.iter().filter_map(|link| from_page(SUMMARY, link)).collect();
    let differ: Vec<&String> = listed.symmetric_difference(&files).collect();
    assert!(differ.is_empty(), "listed and not there, or the other way round: {differ:?}");
    assert_eq!(listed.len(), links.len(), "each once: {links:?}");
}

#[test]
fn every_alert_has_a_runbook() {
    let (rules, (key, page)) = (read(RULES), RUNBOOK);
    let runbooks = parse(&read(page));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    for alert in &alerts {
        let name = alert.lines().next().unwrap_or_default();
        let anchor = name.to_lowercase();
        assert!(runbooks.anchors.contains(&anchor), "{page} has no section {name}");
        assert!(alert.contains(&format!("{key}{anchor}\n")), "{name} does not lead to its section of {page}");
    }
    assert!(alerts.len() > 3, "{alerts:?}");
}

#[test]
fn the_readme_shows_the_live_view_of_the_book() {
    let readme = read(OTHERS[0]);
    for line in read("docs/src/pictures/live.txt").lines().filter(|line| !line.is_empty()) {
        assert!(
            readme.contains(line),
            "README.md has another picture than docs/src/pictures/live.txt: {line}"
        );
    }
}
