//! `cargo xtask bench`: what zcdiag costs, beside what people use without it, in one run.

mod cost;
mod crowd;
mod guest;
mod load;
mod scale;
mod soak;
mod start;
mod taps;
mod tools;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::project::Project;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// `zcdiag taps` on a large machine, beside `ss -0pe` in every namespace and `lsfd`
    Taps(taps::Options),
    /// What the attached programs cost each send and packet, beside bpftrace's, in a guest
    Cost(cost::Options),
    /// How much slower saturated senders are with zcdiag attached, and whether all they send is counted, in a guest
    Load(load::Options),
    /// What each send costs with ever more senders and taps, in a guest
    Scale(scale::Options),
    /// Whether a daemon's memory stays flat under short-lived senders, taps and namespaces, in a guest
    Soak(soak::Options),
    /// How long zcdiag takes until it is attached, beside bpftrace, in a guest
    Start(start::Options),
    /// Be a part of the large machine
    #[command(hide = true)]
    Crowd(crowd::Options),
}

/// The command `cargo xtask bench`.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    match &options.what {
        What::Taps(options) => taps::command(options),
        What::Cost(options) => cost::command(options),
        What::Load(options) => load::command(options),
        What::Scale(options) => scale::command(options),
        What::Soak(options) => soak::command(options),
        What::Start(options) => start::command(options),
        What::Crowd(options) => crowd::be(options),
    }
}

/// How long something took, several times over.
struct Figure {
    name: &'static str,
    times: Vec<Duration>,
}

impl Figure {
    fn new(name: &'static str) -> Self {
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
fn median(list: &Value) -> [f64; 3] {
    let mut numbers: Vec<f64> = list.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    numbers.sort_by(f64::total_cmp);
    let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
    [at(0), at(numbers.len() / 2), at(numbers.len().saturating_sub(1))]
}

/// Prints the figures, each with its ratio to the first, and writes them to `target/bench/NAME.json`.
fn show(project: &Project, name: &str, figures: &[Figure]) -> Result<()> {
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
fn write_json(project: &Project, name: &str, measured: &Value) -> Result<()> {
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
