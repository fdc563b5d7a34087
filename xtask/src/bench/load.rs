//! Saturated senders with zcdiag attached and without: how much less they send, and whether all they did is counted.

use std::process::{Child, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::figures::{median, write_json};
use super::guest::{self, Guest, Protocol, Sender, Sink, reported};
use super::tools::{Running, Tool};
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
    /// Sends of each sender; where speed is measured, four times as many over UDP
    #[arg(long, default_value_t = 5000)]
    sends: u64,
    /// Measure here, which is in the guest, what is to be measured with so many processors
    #[arg(long, hide = true, default_value_t = 0)]
    cpus: u32,
    /// Measure the time that sends take, not whether all are counted
    #[arg(long, hide = true)]
    speed: bool,
    /// Measure here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// After so long a watch has looked at all that was new to it, and goes on with counting.
const TO_LOOK: Duration = Duration::from_secs(3);

/// A sender that does nothing else.
struct Traffic {
    name: &'static str,
    protocol: Protocol,
    zerocopy: bool,
    taps: usize,
}

const TRAFFIC: [Traffic; 6] = [
    Traffic { name: "UDP, zerocopied", protocol: Protocol::Udp, zerocopy: true, taps: 0 },
    Traffic { name: "UDP, copied for a tap", protocol: Protocol::Udp, zerocopy: true, taps: 1 },
    Traffic { name: "TCP, copied on lo", protocol: Protocol::Tcp, zerocopy: true, taps: 0 },
    Traffic { name: "UDP without zero copy", protocol: Protocol::Udp, zerocopy: false, taps: 0 },
    Traffic { name: "UDP without zero copy, a tap", protocol: Protocol::Udp, zerocopy: false, taps: 1 },
    Traffic { name: "TCP without zero copy", protocol: Protocol::Tcp, zerocopy: false, taps: 0 },
];

/// The command `cargo xtask bench load`.
pub(super) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        guest::add_devices()?;
        let measured = if options.speed { speeds(options)? } else { losses(options)? };
        println!("{measured}");
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    let (runs, sends) = (options.runs.to_string(), options.sends.to_string());
    let arguments = ["load", "--runs", &runs, "--sends", &sends];
    // Time is a count of instructions, so that the ratio of two times does not depend on what else the host does.
    let guest = Guest { kernel: options.kernel, cpus: 1, icount: true };
    let speeds = guest::measure(&project, &guest, &[&arguments[..], &["--speed"]].concat())?;
    show_speeds(&speeds, options);
    let mut losses = Vec::new();
    for cpus in [1, 2] {
        let guest = Guest { kernel: options.kernel, cpus, icount: false };
        let cpus = cpus.to_string();
        let arguments = [&arguments[..], &["--cpus", &cpus]].concat();
        losses.push(guest::measure(&project, &guest, &arguments)?);
    }
    show_losses(&losses, options);
    write_json(
        &project,
        &format!("load-{}", options.kernel.key()),
        &json!({ "speeds": speeds, "losses": losses }),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn show_speeds(measured: &Value, options: &Options) {
    println!(
        "Linux {}, 1 CPU, {} runs of {} sends (over UDP four times as many) by turns: sends per second of a sender that does nothing else\n",
        options.kernel.key(),
        options.runs,
        options.sends
    );
    println!("{:<30} {:>26} {:>26} {:>9}", "", "without zcdiag", "zcdiag attached", "less by");
    for row in measured["rows"].as_array().into_iter().flatten() {
        let [without, with] = ["without", "with"].map(|key| median(&row[key]));
        let cell = |[min, middle, max]: [f64; 3]| format!("{middle:.0} ({min:.0}-{max:.0})");
        println!(
            "{:<30} {:>26} {:>26} {:>7.2} %",
            row["name"].as_str().unwrap_or_default(),
            cell(without),
            cell(with),
            100.0 * (1.0 - with[1] / without[1]),
        );
    }
}

/// Sends per second of each kind of traffic.
fn speeds(options: &Options) -> Result<Value> {
    let _sink = Sink::start()?;
    let mut rows = Vec::new();
    for traffic in &TRAFFIC {
        eprintln!("measuring {}", traffic.name);
        let (mut without, mut with) = (Vec::new(), Vec::new());
        // The first brings files into memory, and is not counted.
        speed(traffic, options.sends / 10)?;
        for _ in 0..options.runs {
            without.push(speed(traffic, options.sends)?);
            let (running, _) = Running::start(&Tool::zcdiag(&[]))?;
            speed(traffic, options.sends / 10)?;
            // What is done once for each sender and cause is not what the next send costs.
            thread::sleep(TO_LOOK);
            with.push(speed(traffic, options.sends)?);
            drop(running);
        }
        rows.push(json!({ "name": traffic.name, "without": without, "with": with }));
    }
    Ok(json!({ "rows": rows }))
}

fn speed(traffic: &Traffic, sends: u64) -> Result<f64> {
    let sends = if traffic.protocol == Protocol::Tcp { sends } else { 4 * sends };
    let taps = guest::taps(traffic.taps)?;
    let taken = guest::send(traffic.protocol, traffic.zerocopy, 1, sends)?;
    drop(taps);
    Ok(per_second(sends, taken))
}

fn per_second(sends: u64, taken: Duration) -> f64 {
    u32::try_from(sends).map_or(f64::INFINITY, f64::from) / taken.as_secs_f64()
}

fn show_losses(measured: &[Value], options: &Options) {
    println!(
        "\nTwo senders over UDP with a tap and two over TCP on lo at once, {} sends each, {} runs\n",
        options.sends, options.runs
    );
    println!(
        "{:>5} {:>24} {:>24} {:>10} {:>12}",
        "CPUs", "read by senders: y, n", "counted: y, n", "lost", "sends per s"
    );
    for row in measured.iter().flat_map(|guest| guest["runs"].as_array().into_iter().flatten()) {
        let pair = |key: &str| format!("{}, {}", row[key][0], row[key][1]);
        println!(
            "{:>5} {:>24} {:>24} {:>10} {:>12.0}",
            row["cpus"].as_u64().unwrap_or_default(),
            pair("read"),
            pair("counted"),
            if row["exact"] == true { "0".to_owned() } else { row["losses"].to_string() },
            row["per_second"].as_f64().unwrap_or_default(),
        );
    }
}

/// Whether what all senders read from their error queues is what a watch counts.
fn losses(options: &Options) -> Result<Value> {
    let _sink = Sink::start()?;
    let _taps = guest::taps(1)?;
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let (running, _) = Running::start(&Tool::zcdiag(&[]))?;
        let started = Instant::now();
        let sender = |protocol| Sender { protocol, sends: options.sends, words: &[] }.start();
        let senders = [Protocol::Udp, Protocol::Tcp, Protocol::Udp, Protocol::Tcp]
            .map(sender)
            .into_iter()
            .collect::<Result<Vec<Child>>>()?;
        let mut read = [0, 0];
        for sender in senders {
            let [zerocopied, copied] = reported(sender)?;
            read = [read[0] + zerocopied, read[1] + copied];
        }
        let taken = started.elapsed();
        let Some(summary) = running.end(&["summary"])?.pop() else { bail!("the watch wrote no summary") };
        runs.push(json!({
            "cpus": options.cpus,
            "read": read,
            "counted": [summary["sends"]["zerocopied"], summary["sends"]["copied"]],
            "exact": summary["exact"],
            "losses": summary["losses"],
            "per_second": per_second(4 * options.sends, taken),
        }));
    }
    Ok(json!({ "runs": runs }))
}
