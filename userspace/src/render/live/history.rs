//! How many sends of each sender were copied in the last intervals.

use std::collections::{BTreeMap, VecDeque};

use super::id::SenderId;
use crate::model::report::{Report, Split};

/// Intervals kept: as many as the widest time line has columns.
const KEPT: usize = 120;

/// The sends of every sender, by interval.
#[derive(Clone, Default)]
pub(super) struct History {
    rows: BTreeMap<SenderId, VecDeque<Split>>,
}

impl History {
    /// Adds an interval.
    pub(super) fn add(&mut self, interval: &Report, total: &Report) {
        for row in &total.senders {
            self.rows.entry(SenderId::of(&row.sender)).or_default();
        }
        for (id, line) in &mut self.rows {
            let now = id.find(interval);
            line.push_back(now.map_or(Split::default(), |row| row.sends));
            if line.len() > KEPT {
                line.pop_front();
            }
        }
    }

    /// The last intervals of a sender as characters, newest last: the height of a bar is the number of copied
    /// sends, a point stands for sends of which none was copied.
    pub(super) fn line(&self, id: &SenderId, columns: usize) -> String {
        let Some(sends) = self.rows.get(id) else { return String::new() };
        let from = sends.len().saturating_sub(columns);
        let highest = sends.iter().skip(from).map(|split| split.copied).max().unwrap_or(0).max(1);
        sends.iter().skip(from).map(|split| symbol(*split, highest)).collect()
    }
}

fn symbol(sends: Split, highest: u64) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    match (sends.copied, sends.zerocopied) {
        (0, 0) => ' ',
        (0, _) => '·',
        (copied, _) => {
            let level = u128::from(copied) * 8 / u128::from(highest);
            let index = usize::try_from(level).unwrap_or(8).saturating_sub(1);
            BARS[index.min(BARS.len() - 1)]
        }
    }
}
