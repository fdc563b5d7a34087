//! How long zcdiag takes until it is attached, beside bpftrace, and how much memory each has then. By the clock, in a
//! guest whose time is the host's.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::figures::{median, write_json};
use super::guest::{self, Guest};
use super::tools::{self, Running, Tool};
use crate::project::Project;
use crate::vm::Kernel;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// The guest's kernel
    #[arg(long, value_enum, default_value = "6.1")]
    kernel: Kernel,
    /// How often each is started
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Measure here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// Parts of zcdiag's start, as it tells them.
const PARTS: [&str; 5] = ["plan", "types", "maps", "load", "attach"];

/// The command `cargo xtask bench start`.
pub(super) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        println!("{}", measure(options)?);
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    let guest = Guest { kernel: options.kernel, cpus: 1, icount: false };
    let measured = guest::measure(&project, &guest, &["start", "--runs", &options.runs.to_string()])?;
    show(&measured, options);
    write_json(&project, &format!("start-{}", options.kernel.key()), &measured)?;
    Ok(ExitCode::SUCCESS)
}

fn show(measured: &Value, options: &Options) {
    println!("Linux {}, {} starts by turns\n", options.kernel.key(), options.runs);
    println!(
        "{:<38} {:>9} {:>9} {:>9} {:>7} {:>10} {:>12}",
        "from start to attached", "min", "median", "max", "ratio", "resident", "of it own"
    );
    let zcdiag = median(&measured["tools"][0]["seconds"])[1];
    for tool in measured["tools"].as_array().into_iter().flatten() {
        let [min, middle, max] = median(&tool["seconds"]);
        let [resident, own] = ["resident_kb", "own_kb"].map(|key| median(&tool[key])[1] / 1e3);
        println!(
            "{:<38} {min:>7.2} s {middle:>7.2} s {max:>7.2} s {:>7.2} {resident:>7.1} MB {own:>9.1} MB",
            tool["name"].as_str().unwrap_or_default(),
            middle / zcdiag,
        );
    }
    println!("\nOf zcdiag's:");
    for part in PARTS {
        let [min, middle, max] = median(&measured["tools"][0]["parts"][part]);
        println!("{part:<38} {min:>7.2} s {middle:>7.2} s {max:>7.2} s {:>7.2}", middle / zcdiag);
    }
}

fn measure(options: &Options) -> Result<Value> {
    let functions = tools::functions()?;
    let mut tools = vec![Tool::zcdiag(&["-v"])];
    // The smallest script that answers the question, and the one that hooks as much as zcdiag does.
    let others = tools::of_others(|function| functions.contains(function));
    tools.extend(
        others.into_iter().filter(|tool| tool.name.contains("count by") || tool.name.contains("births")),
    );
    let mut measured: Vec<Value> = tools.iter().map(|tool| json!({ "name": tool.name })).collect();
    // The first one brings files into memory; then by turns, so that what else the host does meets all alike.
    for run in 0..=options.runs {
        for (tool, measured) in tools.iter().zip(&mut measured) {
            eprintln!("starting {}", tool.name);
            let Some(begun) = tools::if_it_works(tool, begin(tool))? else { continue };
            if run > 0 {
                begun.add_to(measured);
            }
        }
    }
    measured.retain(|measured| measured["seconds"].is_array());
    Ok(json!({ "tools": measured }))
}

/// A tool that was attached.
struct Begun {
    attached: Duration,
    memory_kb: [u64; 2],
    /// Where the time went, if it says so.
    parts: Value,
}

fn begin(tool: &Tool) -> Result<Begun> {
    let (running, attached) = Running::start(tool)?;
    let memory_kb = running.memory_kb()?;
    let parts = running.end(&["cost"])?.pop().map_or(Value::Null, |cost| cost["start"].clone());
    Ok(Begun { attached, memory_kb, parts })
}

impl Begun {
    fn add_to(&self, measured: &mut Value) {
        push(&mut measured["seconds"], json!(self.attached.as_secs_f64()));
        let [resident, own] = self.memory_kb;
        push(&mut measured["resident_kb"], json!(resident));
        push(&mut measured["own_kb"], json!(own));
        for part in PARTS.iter().filter(|_| self.parts.is_object()) {
            push(&mut measured["parts"][*part], self.parts[format!("{part}_seconds")].clone());
        }
    }
}

/// Adds to a list, which is begun if need be.
fn push(list: &mut Value, value: Value) {
    match list {
        Value::Array(values) => values.push(value),
        other => *other = json!([value]),
    }
}
