//! Whether a daemon's memory stays flat, and its counts right, while very many short-lived senders, packet sockets and
//! network namespaces come and go.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::figures::{median, write_json};
use super::guest::{self, Guest, Protocol};
use super::tools::memory_kb;
use crate::project::{Helper, Project, output, run};
use crate::vm::Kernel;

/// What the command line can say.
#[derive(Args)]
pub(crate) struct Options {
    /// The guest's kernel
    #[arg(long, value_enum, default_value = "6.1")]
    kernel: Kernel,
    /// Processes that send, each with a name of its own
    #[arg(long, default_value_t = 10_000)]
    senders: u64,
    /// Packet sockets that are opened and closed
    #[arg(long, default_value_t = 1_000)]
    taps: usize,
    /// Network namespaces that are created and deleted
    #[arg(long, default_value_t = 200)]
    namespaces: usize,
    /// Soak here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// The work is done in so many rounds; in every other one a tap has the sends copied.
const ROUNDS: usize = 20;
/// Sends of each process.
const SENDS: u64 = 2;
/// From this round on memory is compared: before, its rows fill.
const SETTLED: usize = ROUNDS / 2;
/// More than that from then to the end is a leak.
const GROWTH: f64 = 1.10;
/// How long the daemon may take to count what was sent.
const PATIENCE: Duration = Duration::from_mins(2);
const SOCKET: &str = "/run/zcdiag-soak.sock";

/// The command `cargo xtask bench soak`.
pub(super) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        println!("{}", measure(options)?);
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    let [senders, taps, namespaces] =
        [options.senders, options.taps as u64, options.namespaces as u64].map(|number| number.to_string());
    let arguments = ["soak", "--senders", &senders, "--taps", &taps, "--namespaces", &namespaces];
    let guest = Guest { kernel: options.kernel, cpus: 1, icount: false };
    let measured = guest::measure(&project, &guest, &arguments)?;
    write_json(&project, &format!("soak-{}", options.kernel.key()), &measured)?;
    Ok(judge(&measured, options))
}

fn judge(measured: &Value, options: &Options) -> ExitCode {
    let rows: Vec<&Value> = measured["rows"].as_array().into_iter().flatten().collect();
    let number = |row: &Value, key: &str| row[key].as_u64().unwrap_or_default();
    println!("Linux {}: a daemon after each round, one run\n", options.kernel.key());
    println!(
        "{:>8} {:>6} {:>11} {:>8} {:>8} {:>7} {:>7} {:>9} {:>9}",
        "senders", "taps", "namespaces", "sends", "counted", "rows", "evicted", "resident", "its own"
    );
    for row in &rows {
        let megabytes = |key: &str| format!("{:.1} MB", row[key].as_f64().unwrap_or_default() / 1e3);
        println!(
            "{:>8} {:>6} {:>11} {:>8} {:>8} {:>7} {:>7} {:>9} {:>9}",
            number(row, "senders"),
            number(row, "taps"),
            number(row, "namespaces"),
            number(row, "sent"),
            number(row, "zerocopied") + number(row, "copied"),
            number(row, "rows"),
            number(row, "evicted"),
            megabytes("resident_kb"),
            megabytes("own_kb"),
        );
    }
    let [.., last] = rows[..] else { return ExitCode::FAILURE };
    println!("\nlost: {}", last["losses"]);
    let right = [("zerocopied", "sent_zerocopied"), ("copied", "sent_copied")]
        .iter()
        .all(|(counted, sent)| number(last, counted) == number(last, sent));
    let told = last["exact"] == false;
    // The middle one at the end, for a row may fall into the moment of a tick.
    let own = |rows: &[&Value]| Value::from(rows.iter().map(|row| row["own_kb"].clone()).collect::<Vec<_>>());
    let [first, last_ones] = [&rows[..SETTLED.min(rows.len())], &rows[SETTLED.min(rows.len())..]].map(own);
    let growth = median(&last_ones)[1] / median(&first)[2];
    println!("memory of its own in the second half: in the middle {growth:.2} times the most in the first");
    println!("counts: {}", if right { "right to the last send" } else { "not what was sent" });
    if growth <= GROWTH && (right || told) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(options: &Options) -> Result<Value> {
    guest::add_devices()?;
    let daemon = start_daemon()?;
    let mut rows = Vec::new();
    let mut sent = [0, 0];
    for round in 0..ROUNDS {
        let copied = round % 2 == 1;
        let tap = guest::taps(usize::from(copied))?;
        let part = |all: usize| all / ROUNDS;
        for _ in 0..part(options.taps) {
            drop(guest::taps(1)?);
        }
        for name in 0..part(options.namespaces) {
            let name = format!("soak{name}");
            run(Command::new("ip").args(["netns", "add", &name]))?;
            run(Command::new("ip").args(["netns", "delete", &name]))?;
        }
        // The openings above are over before anything is sent, so only `tap` can have it copied.
        let senders = options.senders / ROUNDS as u64;
        guest::send(Protocol::Udp, true, senders, SENDS)?;
        sent[usize::from(copied)] += senders * SENDS;
        let status = counted(sent)?;
        drop(tap);
        let [resident, own] = memory_kb(daemon.0.id())?;
        let done = round as u64 + 1;
        rows.push(json!({
            "senders": senders * done,
            "taps": part(options.taps) as u64 * done,
            "namespaces": part(options.namespaces) as u64 * done,
            "sent": sent[0] + sent[1],
            "sent_zerocopied": sent[0],
            "sent_copied": sent[1],
            "zerocopied": status["sends"]["zerocopied"],
            "copied": status["sends"]["copied"],
            "exact": status["exact"],
            "losses": status["losses"],
            "rows": status["senders"].as_array().map(Vec::len),
            "evicted": status["evicted_entries"],
            "resident_kb": resident,
            "own_kb": own,
        }));
        eprintln!("round {done} of {ROUNDS}");
    }
    Ok(json!({ "rows": rows }))
}

/// Starts a daemon, and waits until it is attached.
fn start_daemon() -> Result<Helper> {
    let configuration = "/run/zcdiag-soak.toml";
    let text = format!("interval = \"1s\"\n[status]\nsocket = \"{SOCKET}\"\n[events]\nto = \"off\"\n");
    fs::write(configuration, text).context("write the configuration")?;
    let mut command = Command::new("zcdiag");
    command.args(["daemon", "--config", configuration]).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut daemon = Helper::start(&mut command)?;
    let mut lines = BufReader::new(daemon.0.stderr.take().context("its output is piped")?).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("metrics at"));
    ensure!(ready, "zcdiag daemon has ended");
    // Read on, or it would be held up.
    thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
    Ok(daemon)
}

/// What the daemon says once it has counted so many zerocopied and copied sends, or says that it has lost some.
fn counted(sent: [u64; 2]) -> Result<Value> {
    let started = Instant::now();
    loop {
        let text = output(Command::new("zcdiag").args(["status", "--json", "--socket", SOCKET]))?;
        let status: Value = serde_json::from_str(&text).context("read what zcdiag status says")?;
        let counted = ["zerocopied", "copied"].map(|result| status["sends"][result].as_u64().unwrap_or(0));
        if counted == sent || status["exact"] == false || started.elapsed() > PATIENCE {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(200));
    }
}
