//! What the programs of zcdiag cost the traffic, beside those of bpftrace, in instructions of the guest.
//!
//! The guest counts time in instructions (`-icount`): a nanosecond of a BPF program's run time is one instruction, and
//! two runs give the same count. The kernel itself adds up the run time of each program (`kernel.bpf_stats_enabled`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::figures::write_json;
use super::guest::{self, Guest, Protocol, Sender};
use super::tools::{self, Running, Tool};
use crate::project::Project;
use crate::vm::Kernel;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// The guest's kernel
    #[arg(long, value_enum, default_value = "6.1")]
    kernel: Kernel,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Sends of each measurement
    #[arg(long, default_value_t = 200)]
    sends: u64,
    /// Keep what is measured as the reference that later runs are compared with
    #[arg(long)]
    keep: bool,
    /// Measure those tools only whose names have this in them
    #[arg(long, default_value = "")]
    tool: String,
    /// Fail if a figure is more than so many times what it is in the reference, such as 1.1
    #[arg(long, value_name = "RATIO")]
    at_most: Option<f64>,
    /// Measure here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// Traffic to measure with.
struct Traffic {
    name: &'static str,
    /// The words of the probe for it.
    words: &'static [&'static str],
    tapped: bool,
    /// Once the tool has seen no zero copy for so long that it detaches what it can.
    at_rest: bool,
}

const TRAFFIC: [Traffic; 5] = [
    Traffic { name: "copied send", words: &[], tapped: true, at_rest: false },
    Traffic { name: "zerocopied send", words: &[], tapped: false, at_rest: false },
    Traffic { name: "packet, a tap", words: &["--copy"], tapped: true, at_rest: false },
    Traffic { name: "packet, no tap", words: &["--copy"], tapped: false, at_rest: false },
    Traffic { name: "the same at rest", words: &["--copy"], tapped: true, at_rest: true },
];

/// The command `cargo xtask bench cost`.
pub(super) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        println!("{}", json!({ "tools": measure(options)? }));
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    let (runs, sends) = (options.runs.to_string(), options.sends.to_string());
    let arguments = [
        "cost",
        "--runs",
        &runs,
        "--sends",
        &sends,
        "--tool",
        &options.tool,
        "--kernel",
        options.kernel.key(),
    ];
    let guest = Guest { kernel: options.kernel, cpus: 1, icount: true };
    let measured = guest::measure(&project, &guest, &arguments)?;
    let reference = project.root.join(format!("xtask/reference/cost-{}.json", options.kernel.key()));
    let before = read_json(&reference);
    show(&measured, &before, options);
    show_programs(&measured);
    let worse = options.at_most.map_or_else(Vec::new, |bar| worse(&measured, &before, bar));
    if options.keep {
        fs::write(&reference, format!("{measured:#}\n"))
            .with_context(|| format!("write {}", reference.display()))?;
    }
    write_json(&project, &format!("cost-{}", options.kernel.key()), &measured)?;
    ensure!(worse.is_empty(), "more than in the reference: {}", worse.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// The figures that are more than `bar` times those of the reference, or cost something where they cost nothing.
fn worse(measured: &Value, reference: &Value, bar: f64) -> Vec<String> {
    let mut worse = Vec::new();
    for tool in measured["tools"].as_array().into_iter().flatten() {
        let Some(kept) = named(reference, &tool["name"]) else { continue };
        for Traffic { name, .. } in TRAFFIC {
            let figure = |tool| middle(tool, name).and_then(|count| u32::try_from(count).ok()).map(f64::from);
            let (Some(now), Some(before)) = (figure(tool), figure(kept)) else { continue };
            if now > before * bar {
                worse.push(format!("{} of {}: {now}, not {before}", name, tool["name"]));
            }
        }
    }
    worse
}

/// The tool of a name.
fn named<'a>(measured: &'a Value, name: &Value) -> Option<&'a Value> {
    measured["tools"].as_array()?.iter().find(|tool| tool["name"] == *name)
}

/// Prints what each program of zcdiag has its part in.
fn show_programs(measured: &Value) {
    let Some(zcdiag) = measured["tools"].as_array().and_then(|tools| tools.last()) else { return };
    println!("\nOf {}:", zcdiag["name"].as_str().unwrap_or_default());
    let heads = TRAFFIC.map(|traffic| traffic.name);
    let of = |head: &str| zcdiag["programs"][head].as_object().into_iter().flatten();
    let names: BTreeSet<&String> = heads.iter().flat_map(|head| of(head)).map(|(name, _)| name).collect();
    for name in names {
        let cells = heads.map(|head| zcdiag["programs"][head][name].as_u64().unwrap_or(0));
        println!("{name:<38} {}", row(&cells));
    }
}

/// What a file says; nothing, if there is none.
fn read_json(path: &Path) -> Value {
    fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// A figure's runs, the lowest first.
fn runs(tool: &Value, traffic: &str) -> Vec<u64> {
    let runs = tool["instructions"][traffic].as_array().into_iter().flatten();
    let mut runs: Vec<u64> = runs.filter_map(Value::as_u64).collect();
    runs.sort_unstable();
    runs
}

/// The middle one of a figure's runs.
fn middle(tool: &Value, traffic: &str) -> Option<u64> {
    let runs = runs(tool, traffic);
    runs.get(runs.len() / 2).copied()
}

/// How a figure compares with that of the reference; the same is not told.
fn ratio(now: Option<u64>, before: Option<u64>) -> String {
    match (now.and_then(|now| u32::try_from(now).ok()), before.and_then(|before| u32::try_from(before).ok()))
    {
        (Some(now), Some(before)) if now == before => "=".to_owned(),
        (Some(now), Some(before @ 1..)) => format!("x {:.2}", f64::from(now) / f64::from(before)),
        _ => "-".to_owned(),
    }
}

/// Prints the middle one of each figure's runs, the spread where there is one, and how that is to the reference.
fn show(measured: &Value, reference: &Value, options: &Options) {
    println!(
        "Linux {}, {} runs of {} UDP sends: instructions of all BPF programs together for each\n",
        options.kernel.key(),
        options.runs,
        options.sends
    );
    let heads = TRAFFIC.map(|traffic| traffic.name);
    println!("{:<38} {} {:>9}", "", row(&heads), "resident");
    for tool in measured["tools"].as_array().into_iter().flatten() {
        let cells = heads.map(|name| {
            let runs = runs(tool, name);
            match (runs.first(), runs.get(runs.len() / 2), runs.last()) {
                (Some(min), Some(_), Some(max)) if min == max => min.to_string(),
                (Some(min), Some(median), Some(max)) => format!("{median} ({min}-{max})"),
                _ => "-".to_owned(),
            }
        });
        println!(
            "{:<38} {} {:>6.1} MB",
            tool["name"].as_str().unwrap_or_default(),
            row(&cells),
            tool["resident_kb"].as_f64().unwrap_or_default() / 1e3,
        );
        if let Some(kept) = named(reference, &tool["name"]) {
            let ratios = heads.map(|name| ratio(middle(tool, name), middle(kept, name)));
            println!("{:<38} {}", "  to the reference", row(&ratios));
        }
    }
}

/// Cells of a table, in columns.
fn row(cells: &[impl std::fmt::Display]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>16}")).collect();
    cells.join(" ")
}

fn measure(options: &Options) -> Result<Vec<Value>> {
    guest::add_devices()?;
    guest::measure_programs()?;
    let functions = tools::functions()?;
    let mut tools = tools::of_others(|function| functions.contains(function));
    tools.push(Tool::zcdiag(&["--rest-after", "5s"]));
    let asked = tools.iter().filter(|tool| tool.name.contains(&options.tool));
    let measured = asked.map(|tool| tools::if_it_works(tool, measure_tool(tool, options)));
    measured.filter_map(Result::transpose).collect()
}

fn measure_tool(tool: &Tool, options: &Options) -> Result<Value> {
    eprintln!("measuring {}", tool.name);
    let (mut running, _) = Running::start(tool)?;
    let mut instructions = BTreeMap::new();
    let mut programs = BTreeMap::new();
    let links = running.links()?;
    for Traffic { name, words, tapped, at_rest } in TRAFFIC {
        // Where the kernel cannot attach a program again, nothing rests.
        if at_rest && tool.is_zcdiag() && options.kernel.attaches_again() {
            running.wait("it does not rest", |now| now < links)?;
            running.wait_until_steady()?;
        }
        let taps = guest::taps(usize::from(tapped))?;
        let sender = Sender { protocol: Protocol::Udp, sends: options.sends, words };
        // What is done once for each kind of traffic is not what the next send costs.
        sender.run()?;
        let (mut runs, mut of_last) = (Vec::new(), BTreeMap::new());
        for _ in 0..options.runs {
            let before = running.run_times()?;
            sender.run()?;
            of_last = tools::since(&before, &running.run_times()?)?;
            for time in of_last.values_mut() {
                *time /= options.sends;
            }
            runs.push(of_last.values().sum::<u64>());
        }
        drop(taps);
        instructions.insert(name, runs);
        of_last.retain(|_, count| *count > 0);
        programs.insert(name, of_last);
    }
    let [resident, _] = running.memory_kb()?;
    Ok(json!({
        "name": tool.name,
        "instructions": instructions,
        "programs": programs,
        "resident_kb": resident,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_on_ratios_and_names_what_is_over_it() {
        let of = |send: u64, rest: u64| {
            let instructions = json!({ "copied send": [send], "the same at rest": [rest] });
            json!({ "tools": [{ "name": "zcdiag watch", "instructions": instructions }] })
        };
        assert!(worse(&of(109, 0), &of(100, 0), 1.1).is_empty());
        assert_eq!(worse(&of(111, 0), &of(100, 0), 1.1).len(), 1);
        assert!(worse(&of(100, 1), &of(100, 0), 1.1)[0].starts_with("the same at rest of"));
        assert!(worse(&of(100, 1), &Value::Null, 1.1).is_empty(), "there is nothing to compare with");
    }

    #[test]
    fn a_figure_is_compared_with_the_reference() {
        assert_eq!(ratio(Some(150), Some(100)), "x 1.50");
        assert_eq!(ratio(Some(100), Some(100)), "=");
        assert_eq!((ratio(Some(1), Some(0)), ratio(None, Some(1))), ("-".to_owned(), "-".to_owned()));
        let tool = json!({ "instructions": { "packet": [3, 1, 2] } });
        assert_eq!((middle(&tool, "packet"), middle(&tool, "send")), (Some(2), None));
    }
}
