//! As workflow commands of GitHub Actions, which makes annotations of them.

use std::io::{self, Write};

use super::changes::Compared;
use crate::model::difference::Trend;

/// Over every annotation.
const TITLE: &str = "zcdiag diff";

/// Writes the answer, what became worse, and what to bear in mind, one command a line.
///
/// # Errors
/// The output cannot be written to.
pub fn write_github(compared: &Compared<'_>, out: &mut dyn Write) -> io::Result<()> {
    let level = match compared.difference.verdict() {
        Some(Trend::Worse) => "error",
        Some(Trend::Better | Trend::Unchanged) => "notice",
        None => "warning",
    };
    command(level, TITLE, &compared.answer(), out)?;
    for row in compared.worst().filter(|row| row.trend == Trend::Worse) {
        let title = format!("{TITLE}: {} {}", row.kind.name(), row.name);
        command("warning", &title, &row.said(), out)?;
    }
    for note in compared.notes() {
        command("notice", TITLE, &note, out)?;
    }
    Ok(())
}

fn command(level: &str, title: &str, message: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "::{level} title={}::{}", property(title), data(message))
}

/// What ends no command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What ends no property either.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_within_its_command() {
        let mut out = Vec::new();
        command("error", "a,b::c", "93 %\r\n::error::d", &mut out).expect("write to memory");
        let line = String::from_utf8(out).expect("UTF-8");
        assert_eq!(line, "::error title=a%2Cb%3A%3Ac::93 %25%0D%0A::error::d\n");
    }
}
