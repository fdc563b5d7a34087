//! What was measured, printed and kept.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::project::Project;

/// How long something took, several times over.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) times: Vec<Duration>,
}

impl Figure {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, times: Vec::new() }
    }

    /// The shortest, the middle one and the longest.
    fn spread(&self) -> [Duration; 3] {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        [at(0), at(times.len() / 2), at(times.len().saturating_sub(1))]
    }

    fn json(&self) -> Value {
        let seconds: Vec<f64> = self.times.iter().map(Duration::as_secs_f64).collect();
        json!({ "name": self.name, "seconds": seconds })
    }
}

/// The lowest, the middle one and the highest of a list of numbers; nothing but zeros if it is none.
pub(super) fn median(list: &Value) -> [f64; 3] {
    let mut numbers: Vec<f64> = list.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    numbers.sort_by(f64::total_cmp);
    let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
    [at(0), at(numbers.len() / 2), at(numbers.len().saturating_sub(1))]
}

/// Prints the figures, each with its ratio to the first, and writes them to `target/bench/NAME.json`.
pub(super) fn show(project: &Project, name: &str, figures: &[Figure]) -> Result<()> {
    println!("{:<34} {:>9} {:>9} {:>9} {:>5} {:>7}", "", "min", "median", "max", "runs", "ratio");
    let reference = figures.first().map_or(0.0, |figure| figure.spread()[1].as_secs_f64());
    for figure in figures {
        let [shortest, middle, longest] = figure.spread().map(|time| time.as_secs_f64());
        let runs = figure.times.len();
        let ratio = middle / reference;
        println!(
            "{:<34} {shortest:>7.3} s {middle:>7.3} s {longest:>7.3} s {runs:>5} {ratio:>7.2}",
            figure.name
        );
    }
    let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
    write_json(project, name, &json!({ "figures": figures }))
}

/// Writes what was measured to `target/bench/NAME.json`.
pub(super) fn write_json(project: &Project, name: &str, measured: &Value) -> Result<()> {
    let directory = project.target.join("bench");
    let path = directory.join(format!("{name}.json"));
    std::fs::create_dir_all(&directory)
        .and_then(|()| std::fs::write(&path, format!("{measured:#}\n")))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_a_list() {
        let whole = |list| median(&list).map(|number| format!("{number}"));
        assert_eq!(whole(json!([3.5, 1, 2])), ["1", "2", "3.5"]);
        assert_eq!(whole(Value::Null), ["0"; 3]);
    }

    #[test]
    fn the_spread_of_a_figure() {
        let times = [3, 1, 2].map(Duration::from_secs).to_vec();
        assert_eq!(Figure { name: "x", times }.spread(), [1, 2, 3].map(Duration::from_secs));
        assert_eq!(Figure::new("none").spread(), [Duration::ZERO; 3]);
    }
}
