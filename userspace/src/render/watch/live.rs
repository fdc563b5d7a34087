//! The view that is drawn again in place.

use std::io::{self, Write};

use super::{Look, text};
use crate::{
    model::report::Report,
    render::lines::{Emphasis, emphasize},
};

/// What stands on the terminal.
#[derive(Default)]
pub(super) struct Drawn {
    lines: usize,
}

impl Drawn {
    /// Draws the view over the one before.
    pub(super) fn draw(
        &mut self,
        out: &mut dyn Write,
        interval: &Report,
        total: &Report,
        look: Look,
    ) -> io::Result<()> {
        let lines = text::live(interval, total);
        self.clear(out)?;
        for (index, line) in lines.iter().enumerate() {
            // A line that wraps would take two, and the next drawing would start too low.
            let line: String = line.chars().take(look.width.saturating_sub(1)).collect();
            let color = look.color && index == 0;
            writeln!(out, "{}", emphasize(&line, Emphasis::Heading, color))?;
        }
        self.lines = lines.len();
        Ok(())
    }

    /// Takes the view off the terminal.
    pub(super) fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.lines > 0 {
            write!(out, "\x1b[{}A\x1b[J", self.lines)?;
            self.lines = 0;
        }
        Ok(())
    }
}
