//! Sums by key, with a bound on the number of rows.

use std::{collections::BTreeMap, time::Duration};

/// A key that knows whose row takes what it has no row for.
pub(crate) trait Overflow {
    /// The key of that row.
    fn others(&self) -> Self;
}

/// Something that can be added up.
pub(crate) trait Sum {
    /// Adds another one.
    fn add(&mut self, more: &Self);
}

/// A row may go when nothing came for it for so long.
const IDLE: Duration = Duration::from_mins(10);

/// When there is no room for a new key, the row that was idle for longest makes place, if it was idle for long. What it
/// had counted is then in no row, for a row that took it would count again what was counted before.
pub(crate) struct Table<K, V> {
    rows: BTreeMap<K, Row<V>>,
    /// Everything that was added.
    total: V,
    cap: usize,
    folded: u64,
}

struct Row<V> {
    value: V,
    touched: Duration,
}

impl<K: Overflow + Ord + Clone, V: Sum + Default> Table<K, V> {
    pub(crate) fn new(cap: usize) -> Self {
        Self { rows: BTreeMap::new(), total: V::default(), cap, folded: 0 }
    }

    pub(crate) fn resize(&mut self, cap: usize) {
        self.cap = cap;
    }

    pub(crate) fn add(&mut self, key: K, at: Duration, more: &V) {
        self.total.add(more);
        let key = if self.has_room_for(&key, at) {
            key
        } else {
            self.folded += 1;
            key.others()
        };
        let row = self.rows.entry(key).or_insert_with(|| Row { value: V::default(), touched: at });
        row.value.add(more);
        row.touched = at;
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, row)| (key, &row.value))
    }

    pub(crate) fn total(&self) -> &V {
        &self.total
    }

    /// How often something went to the row of others, or a row made place.
    pub(crate) fn folded(&self) -> u64 {
        self.folded
    }

    fn has_room_for(&mut self, key: &K, at: Duration) -> bool {
        if self.rows.contains_key(key) || self.rows.len() < self.cap {
            return true;
        }
        let own = self.rows.iter().filter(|(key, _)| key.others() != **key);
        let Some((oldest, row)) = own.min_by_key(|(_, row)| row.touched) else { return false };
        if at.saturating_sub(row.touched) < IDLE {
            return false;
        }
        let oldest = oldest.clone();
        self.rows.remove(&oldest);
        self.folded += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Overflow for u32 {
        fn others(&self) -> Self {
            0
        }
    }

    impl Sum for u64 {
        fn add(&mut self, more: &Self) {
            *self += more;
        }
    }

    fn rows(table: &Table<u32, u64>) -> Vec<(u32, u64)> {
        table.rows().map(|(key, value)| (*key, *value)).collect()
    }

    #[test]
    fn a_row_that_is_idle_makes_room_and_a_busy_one_does_not() {
        let mut table = Table::new(2);
        let minutes = Duration::from_mins;
        table.add(1, minutes(0), &10);
        table.add(2, minutes(5), &10);
        table.add(3, minutes(6), &1);
        assert_eq!(rows(&table), [(0, 1), (1, 10), (2, 10)], "no row was idle for long");
        table.add(4, minutes(11), &5);
        assert_eq!(rows(&table), [(0, 1), (2, 10), (4, 5)], "what was counted before makes no counter jump");
        assert_eq!((*table.total(), table.folded()), (26, 2), "and no sum loses it");
    }
}
