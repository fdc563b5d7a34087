//! The table that the scenarios make: what was seen on which kernel.

use std::fs;

use anyhow::{Context as _, Result};

use crate::project::Project;
use crate::vm::Kernel;

/// What a row's beginning and one cell follow in a line of a guest: `scenario: CAUSE | WHAT | FORESEEN | CELL`.
const PREFIX: &str = "scenario: ";
/// The page of the book that has it.
const PAGE: &str = "docs/src/scenarios.md";
/// Between these the page has the table.
const BEGIN: &str = "<!-- table of scenarios, written by `cargo xtask test --scenarios --write-table` -->\n";
const END: &str = "<!-- end of the table of scenarios -->";
/// In the head of the table: the first columns.
const HEAD: [&str; 3] = ["cause", "sends", "foreseen"];

/// What has been seen so far.
#[derive(Default)]
pub(super) struct Table {
    kernels: Vec<Kernel>,
    rows: Vec<Row>,
    line: Vec<u8>,
}

struct Row {
    /// The cause, of what it is an example, and how much of it `zcdiag check` foresees.
    head: [String; 3],
    cells: Vec<(Kernel, String)>,
}

impl Table {
    /// Reads the output of a guest as it comes, in pieces of any size.
    pub(super) fn read(&mut self, kernel: Kernel, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&self.line).into_owned();
                self.line.clear();
                self.note(kernel, &line);
            } else {
                self.line.push(byte);
            }
        }
    }

    fn note(&mut self, kernel: Kernel, line: &str) {
        // A test's name may stand before it.
        let mut cells = line.split_once(PREFIX).into_iter().flat_map(|(_, row)| row.split(" | "));
        let mut next = || cells.next().map(str::to_owned);
        let (Some(cause), Some(what), Some(foreseen), Some(cell)) = (next(), next(), next(), next()) else {
            return;
        };
        if !self.kernels.contains(&kernel) {
            self.kernels.push(kernel);
        }
        let head = [cause, what, foreseen];
        let cell = (kernel, cell.trim_end().to_owned());
        match self.rows.iter_mut().find(|row| row.head == head) {
            Some(row) => row.cells.push(cell),
            None => self.rows.push(Row { head, cells: vec![cell] }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table in Markdown; what was not seen is a question mark.
    pub(super) fn markdown(&self) -> String {
        let kernels = self.kernels.iter().map(|kernel| kernel.key());
        let head: Vec<&str> = HEAD.into_iter().chain(kernels).collect();
        let mut lines = vec![line(&head), format!("|{}", "---|".repeat(head.len()))];
        for row in &self.rows {
            let cells = self.kernels.iter().map(|kernel| {
                let cell = row.cells.iter().find(|(of, _)| of == kernel);
                cell.map_or("?", |(_, cell)| cell.as_str())
            });
            lines.push(line(&row.head.iter().map(String::as_str).chain(cells).collect::<Vec<_>>()));
        }
        lines.join("\n") + "\n"
    }

    /// Puts it into the book.
    pub(super) fn write(&self, project: &Project) -> Result<()> {
        let path = project.root.join(PAGE);
        let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let new = replaced(&page, &self.markdown())
            .with_context(|| format!("{PAGE} has no place for the table"))?;
        fs::write(&path, new).with_context(|| format!("write {}", path.display()))
    }
}

fn line(cells: &[&str]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// The text with another table between the marks.
fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_several_kernels_are_put_together() {
        let mut table = Table::default();
        let output = "running 2 tests\nscenario: `tap_tx` | a tap: UDP | yes | n\ntest tap ... ok\n\
            test bridge ... scenario: none | a bridge: UDP | - | y\n";
        for piece in output.as_bytes().chunks(7) {
            table.read(Kernel::V5_10, piece);
        }
        table.read(Kernel::Newest, b"scenario: `tap_tx` | a tap: UDP | yes | y\nscenario: broken\n");
        let expected = "| cause | sends | foreseen | 5.10 | newest |\n|---|---|---|---|---|\n\
            | `tap_tx` | a tap: UDP | yes | n | y |\n| none | a bridge: UDP | - | y | ? |\n";
        assert_eq!(table.markdown(), expected);
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = format!("before\n{BEGIN}| old |\n{END}\nafter\n");
        assert_eq!(replaced(&text, "| new |\n"), Some(format!("before\n{BEGIN}| new |\n{END}\nafter\n")));
        assert_eq!(replaced("no marks", "| new |\n"), None);
    }
}
