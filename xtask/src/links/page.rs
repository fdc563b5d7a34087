//! Links and headings of a page in Markdown, as far as the project writes it.

use std::collections::BTreeSet;

/// What matters of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Where its links and pictures lead.
    pub(super) links: Vec<String>,
    /// What its headings are called in links.
    pub(super) anchors: BTreeSet<String>,
}

/// Reads a page: what is code has neither.
pub(super) fn parse(text: &str) -> Page {
    let mut page = Page::default();
    let mut in_block = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            if let Some(title) = heading(line) {
                let anchor = anchor(title);
                let again = (1..).map(|number| format!("{anchor}-{number}"));
                let free =
                    std::iter::once(anchor.clone()).chain(again).find(|name| !page.anchors.contains(name));
                page.anchors.extend(free);
            }
            prose.push_str(line);
            prose.push('\n');
        }
    }
    // A link, as well as code, may go on in the next line, but not in the next paragraph.
    page.links = prose.split("\n\n").flat_map(links).collect();
    page
}

fn heading(line: &str) -> Option<&str> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    (1..=6).contains(&level).then(|| title.strip_prefix(' ')).flatten()
}

/// What mdbook and forges make of a heading.
fn anchor(title: &str) -> String {
    let kept = title.trim().chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ if character.is_alphanumeric() => Some(character),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

fn links(paragraph: &str) -> Vec<String> {
    let prose: String = paragraph.split('`').step_by(2).collect();
    let targets = prose.split("](").skip(1);
    targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_headings_are_found() {
        let page = parse(
            "# From one `host`, to a thousand\nSee [it](a.md#b), ![a picture](p.png) and\n[that\none](../c.md).\n## again\n## again\n",
        );
        assert_eq!(page.links, ["a.md#b", "p.png", "../c.md"]);
        let anchors: Vec<&str> = page.anchors.iter().map(String::as_str).collect();
        assert_eq!(anchors, ["again", "again-1", "from-one-host-to-a-thousand"]);
    }

    #[test]
    fn code_has_none() {
        let page = parse("`a[0](b)` and [`c`](d.md)\n```\n# no heading\n[e](f.md)\n```\n#no heading\n");
        assert_eq!((page.links, page.anchors.len()), (vec!["d.md".to_owned()], 0));
    }
}
