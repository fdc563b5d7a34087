//! How text looks.

use super::lines::{WIDTH, wrap_to};
use crate::model::connection::By;

/// What the user wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// With stacks and attach plan.
    pub verbose: bool,
    /// What the sends of each sender are broken down by.
    pub by: Option<By>,
    /// Columns of a line.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { color: false, verbose: false, by: None, width: WIDTH }
    }
}

impl Look {
    /// As wide as a terminal of so many columns, so that it breaks no word; much longer lines are hard to read.
    #[must_use]
    pub fn on_terminal(self, columns: usize) -> Self {
        Self { width: columns.clamp(40, 140), ..self }
    }

    /// Text between words onto lines of that width, as [`super::lines::wrap`].
    pub(super) fn wrap(self, head: &str, text: &str) -> String {
        wrap_to(self.width, head, text)
    }
}
