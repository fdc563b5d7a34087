//! What attached programs cost each send with ever more senders and taps, in instructions of the guest as in `cost`,
//! and how zcdiag's own memory and CPU time grow with them.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::figures::write_json;
use super::guest::{self, Guest, Protocol};
use super::tools::{self, Running, Tool};
use crate::project::Project;
use crate::vm::Kernel;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// The guest's kernel
    #[arg(long, value_enum, default_value = "6.1")]
    kernel: Kernel,
    /// Numbers of senders, each a process of its own
    #[arg(long, value_delimiter = ',', default_value = "1,100,10000")]
    senders: Vec<u64>,
    /// Numbers of packet sockets
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    taps: Vec<usize>,
    /// Sends of each sender
    #[arg(long, default_value_t = 20)]
    sends: u64,
    /// Measure here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// The command `cargo xtask bench scale`.
pub(super) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        println!("{}", measure(options)?);
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    let list = |numbers: &[String]| numbers.join(",");
    let senders = list(&options.senders.iter().map(ToString::to_string).collect::<Vec<_>>());
    let taps = list(&options.taps.iter().map(ToString::to_string).collect::<Vec<_>>());
    let sends = options.sends.to_string();
    let arguments = ["scale", "--senders", &senders, "--taps", &taps, "--sends", &sends];
    let guest = Guest { kernel: options.kernel, cpus: 1, icount: true };
    let measured = guest::measure(&project, &guest, &arguments)?;
    show(&measured, options);
    write_json(&project, &format!("scale-{}", options.kernel.key()), &measured)?;
    Ok(ExitCode::SUCCESS)
}

fn show(measured: &Value, options: &Options) {
    println!(
        "Linux {}: instructions of zcdiag's BPF programs for each send, one run\n",
        options.kernel.key()
    );
    println!(
        "{:>8} {:>6} {:>9} {:>10} {:>9} {:>10} {:>12} {:>11}",
        "senders", "taps", "sends", "counted", "for each", "resident", "of it own", "own CPU"
    );
    for row in measured["rows"].as_array().into_iter().flatten() {
        let number = |key: &str| row[key].as_u64().unwrap_or_default();
        let megabytes = |key: &str| row[key].as_f64().unwrap_or_default() / 1e3;
        println!(
            "{:>8} {:>6} {:>9} {:>10} {:>9} {:>7.1} MB {:>9.1} MB {:>9.2} s",
            number("senders"),
            number("taps"),
            number("sends"),
            number("counted"),
            number("instructions"),
            megabytes("resident_kb"),
            megabytes("own_kb"),
            row["own_cpu_seconds"].as_f64().unwrap_or_default(),
        );
        if row["exact"] != true {
            println!("         lost: {}", row["losses"]);
        }
    }
}

fn measure(options: &Options) -> Result<Value> {
    guest::add_devices()?;
    guest::measure_programs()?;
    let few = options.sends * 10;
    let by_senders = options.senders.iter().map(|&senders| measure_row(senders, 1, options.sends));
    let by_taps = options.taps.iter().map(|&taps| measure_row(1, taps, few));
    let rows: Vec<Value> = by_senders.chain(by_taps).collect::<Result<_>>()?;
    Ok(json!({ "rows": rows }))
}

/// Each row has a watch of its own.
fn measure_row(senders: u64, taps: usize, sends: u64) -> Result<Value> {
    eprintln!("measuring {senders} senders with {taps} taps");
    let (running, _) = Running::start(&Tool::zcdiag(&["-v"]))?;
    let open = guest::taps(taps)?;
    let before = running.run_times()?;
    guest::send(Protocol::Udp, true, senders, sends)?;
    let of_each = tools::since(&before, &running.run_times()?)?;
    let [resident, own] = running.memory_kb()?;
    drop(open);
    let ended = running.end(&["summary", "cost"])?;
    let [summary, cost] = ended.as_slice() else { bail!("the watch wrote no summary") };
    let all = senders * sends;
    let counted = |result: &str| summary["sends"][result].as_u64().unwrap_or(0);
    Ok(json!({
        "senders": senders,
        "taps": taps,
        "sends": all,
        "counted": counted("zerocopied") + counted("copied"),
        "exact": summary["exact"],
        "losses": summary["losses"],
        "instructions": of_each.values().sum::<u64>() / all.max(1),
        "resident_kb": resident,
        "own_kb": own,
        "own_cpu_seconds": cost["own_cpu_seconds"],
    }))
}
