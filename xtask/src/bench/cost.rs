//! What the programs of zcdiag cost the traffic, beside those of bpftrace, in instructions of the guest.
//!
//! The guest counts time in instructions (`-icount`): a nanosecond of a BPF program's run time is one instruction, and
//! two runs give the same count. The kernel itself adds up the run time of each program (`kernel.bpf_stats_enabled`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::loaded_programs;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{crowd, write_json};
use crate::project::{Project, run, text};
use crate::setup::{self, Purpose};
use crate::vm::{self, Kernel, Stream, VmOptions};

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
    /// Measure here, which is in the guest
    #[arg(long, hide = true)]
    inside: bool,
}

/// A program that looks at copies.
struct Tool {
    name: &'static str,
    command: Vec<String>,
    /// BPF links that it has when everything is attached; `None`: it says so.
    links: Option<usize>,
}

fn bpftrace(name: &'static str, script: String, links: usize) -> Tool {
    Tool { name, command: vec!["bpftrace".to_owned(), "-e".to_owned(), script], links: Some(links) }
}

/// `has` tells whether the kernel has a function.
fn tools(has: impl Fn(&str) -> bool) -> Vec<Tool> {
    let first = |names: &[&'static str]| names.iter().copied().find(|name| has(name)).unwrap_or(names[0]);
    let birth = first(&["msg_zerocopy_realloc", "sock_zerocopy_realloc"]);
    let put = first(&["msg_zerocopy_complete", "msg_zerocopy_callback", "sock_zerocopy_put"]);
    let at_copy = |action: &str| format!("kfunc:skb_copy_ubufs {{ {action} }}");
    let count = "@copies[pid, comm, kstack] = count();";
    vec![
        bpftrace("bpftrace: nothing at the copy", at_copy(""), 1),
        bpftrace("bpftrace: a bare count", at_copy("@ = count();"), 1),
        bpftrace("bpftrace: count by pid, comm, kstack", at_copy(count), 1),
        bpftrace(
            "bpftrace: print pid, comm, kstack",
            at_copy("printf(\"%d %s %s\\n\", pid, comm, kstack);"),
            1,
        ),
        bpftrace(
            "bpftrace: births, ends and taps too",
            format!(
                "{} kretfunc:{birth} {{ @births[pid, comm] = count(); }} \
                 kfunc:{put} {{ @ends[pid] = count(); }} kfunc:dev_queue_xmit_nit {{ @taps = count(); }}",
                at_copy(count)
            ),
            4,
        ),
        Tool {
            name: "zcdiag watch",
            command: ["zcdiag", "watch", "--json", "--rest-after", "5s"].map(str::to_owned).to_vec(),
            links: None,
        },
    ]
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

/// How long a tool may take to attach, in the guest's time.
const PATIENCE: Duration = Duration::from_mins(2);

/// The command `cargo xtask bench cost`.
pub(super) fn command(options: &Options) -> Result<ExitCode> {
    if options.inside {
        println!("{}", json!({ "tools": measure(options)? }));
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::find()?;
    for purpose in [Purpose::Bench, Purpose::Build] {
        setup::ensure(&project, purpose)?;
    }
    run(project.cargo().args(["build", "--release", "--package", "zcdiag"]))?;
    let programs = project.target.join("release");
    let vm = VmOptions {
        icount: true,
        env: vec![("PATH".into(), format!("{}:{}", text(&programs)?, vm::SYSTEM_PATH))],
        ..VmOptions::new(options.kernel)
    };
    let this = std::env::current_exe().context("find this program")?;
    let (runs, sends) = (options.runs.to_string(), options.sends.to_string());
    let argv = [
        text(&this)?,
        "bench",
        "cost",
        "--inside",
        "--runs",
        &runs,
        "--sends",
        &sends,
        "--tool",
        &options.tool,
    ]
    .map(str::to_owned);
    let mut stdout = Vec::new();
    let code = vm::run_with(&project, &vm, &argv, &mut |stream, bytes| {
        match stream {
            Stream::Stdout => stdout.extend_from_slice(bytes),
            Stream::Stderr => eprint!("{}", String::from_utf8_lossy(bytes)),
        }
        Ok(())
    })?;
    ensure!(code == 0, "the guest's half failed with exit code {code}");
    let measured: Value = serde_json::from_slice(&stdout).context("read what the guest's half wrote")?;
    let reference = project.root.join(format!("xtask/reference/cost-{}.json", options.kernel.key()));
    show(&measured, &read_json(&reference), options);
    show_programs(&measured);
    if options.keep {
        fs::write(&reference, format!("{measured:#}\n"))
            .with_context(|| format!("write {}", reference.display()))?;
    }
    write_json(&project, &format!("cost-{}", options.kernel.key()), &measured)?;
    Ok(ExitCode::SUCCESS)
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
    println!("{:<38} {} {:>9} {:>9}", "", row(&heads), "attached", "resident");
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
            "{:<38} {} {:>7.2} s {:>6.1} MB",
            tool["name"].as_str().unwrap_or_default(),
            row(&cells),
            tool["attached_seconds"].as_f64().unwrap_or_default(),
            tool["resident_kb"].as_f64().unwrap_or_default() / 1e3,
        );
        let kept = reference["tools"].as_array().into_iter().flatten();
        if let Some(kept) = kept.into_iter().find(|kept| kept["name"] == tool["name"]) {
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
    for arguments in [
        "link add d0 type dummy",
        "address add 10.9.0.1/24 dev d0",
        "link set d0 mtu 1500 up",
        "neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev d0",
    ] {
        run(Command::new("ip").args(arguments.split(' ')))?;
    }
    fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").context("have the kernel measure BPF programs")?;
    let symbols = fs::read_to_string("/proc/kallsyms").context("read the kernel's symbols")?;
    let functions: BTreeSet<&str> =
        symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let tools = tools(|function| functions.contains(function));
    let asked = tools.iter().filter(|tool| tool.name.contains(&options.tool));
    asked.map(|tool| measure_tool(tool, options)).collect()
}

fn measure_tool(tool: &Tool, options: &Options) -> Result<Value> {
    eprintln!("measuring {}", tool.name);
    let (running, attached) = Running::start(tool)?;
    let mut instructions = BTreeMap::new();
    let mut programs = BTreeMap::new();
    let links = running.links()?;
    for Traffic { name, words, tapped, at_rest } in TRAFFIC {
        if at_rest && tool.links.is_none() {
            running.wait("it does not rest", |now| now < links)?;
            running.wait_until_steady()?;
        }
        let tap: Option<OwnedFd> = tapped.then(crowd::tap).transpose()?;
        // What is done once for each kind of traffic is not what the next send costs.
        send(options.sends, words)?;
        let (mut runs, mut of_last) = (Vec::new(), BTreeMap::new());
        for _ in 0..options.runs {
            let before = running.run_times()?;
            send(options.sends, words)?;
            of_last = since(&before, &running.run_times()?, options.sends)?;
            runs.push(of_last.values().sum::<u64>());
        }
        drop(tap);
        instructions.insert(name, runs);
        of_last.retain(|_, count| *count > 0);
        programs.insert(name, of_last);
    }
    Ok(json!({
        "name": tool.name,
        "instructions": instructions,
        "programs": programs,
        "attached_seconds": attached.as_secs_f64(),
        "resident_kb": running.resident_kb()?,
    }))
}

fn send(sends: u64, words: &[&str]) -> Result<()> {
    let mut probe = Command::new("zcdiag");
    probe.args(["probe", "10.9.0.2:9", "--udp", "--no-watch", "-n", &sends.to_string()]).args(words);
    // Whether the kernel copied is in its exit code.
    let status = probe.stdin(Stdio::null()).stdout(Stdio::null()).status().context("run zcdiag probe")?;
    ensure!(matches!(status.code(), Some(0 | 3)), "zcdiag probe: {status}");
    Ok(())
}

/// A tool that is attached, ended when dropped.
struct Running(Child);

impl Running {
    /// Starts it; gives also how long it took until everything was attached.
    fn start(tool: &Tool) -> Result<(Self, Duration)> {
        let started = Instant::now();
        let mut command = Command::new(&tool.command[0]);
        command.args(&tool.command[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("start {}", tool.command[0]))?;
        let mut stdout = BufReader::new(child.stdout.take().context("its output is piped")?);
        let running = Self(child);
        match tool.links {
            None => {
                stdout.read_line(&mut String::new()).context("wait until it is attached")?;
            }
            // Nothing tells when bpftrace has attached its last program.
            Some(links) => running.wait("it has not attached its programs", |now| now >= links)?,
        }
        let attached = started.elapsed();
        // Read on, or it would be held up.
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(drop));
        Ok((running, attached))
    }

    /// Waits until the number of its BPF links is right.
    fn wait(&self, if_not: &str, right: impl Fn(usize) -> bool) -> Result<()> {
        let since = Instant::now();
        while !right(self.links()?) {
            if since.elapsed() > PATIENCE {
                bail!("{if_not} in {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until no link has come or gone for a second.
    fn wait_until_steady(&self) -> Result<()> {
        let (mut links, mut since) = (self.links()?, Instant::now());
        while since.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(50));
            let now = self.links()?;
            if now != links {
                (links, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    fn links(&self) -> Result<usize> {
        Ok(self.files()?.iter().filter(|file| file.contains("link_type:")).count())
    }

    /// What the kernel says of each open file.
    fn files(&self) -> Result<Vec<String>> {
        let directory = format!("/proc/{}/fdinfo", self.0.id());
        let entries = fs::read_dir(&directory).with_context(|| format!("list {directory}"))?;
        // One that was closed meanwhile is none.
        Ok(entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect())
    }

    /// Nanoseconds that each of its programs has run, by id.
    fn run_times(&self) -> Result<BTreeMap<u64, u64>> {
        let programs = self
            .files()?
            .into_iter()
            .filter_map(|file| Some((number(&file, "prog_id:")?, number(&file, "run_time_ns:")?)));
        let programs: BTreeMap<u64, u64> = programs.collect();
        ensure!(!programs.is_empty(), "it has no BPF programs");
        Ok(programs)
    }

    fn resident_kb(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        number(&status, "VmRSS:").context("it has no memory")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}

/// What each program, by its name in the kernel, has run for each send since `before`.
fn since(before: &BTreeMap<u64, u64>, now: &BTreeMap<u64, u64>, sends: u64) -> Result<BTreeMap<String, u64>> {
    let mut by_name = BTreeMap::new();
    for program in loaded_programs() {
        let program = program.context("list the BPF programs")?;
        let id = u64::from(program.id());
        if let Some(time) = now.get(&id) {
            let name = program.name_as_str().unwrap_or("?").to_owned();
            *by_name.entry(name).or_insert(0) += time - before.get(&id).copied().unwrap_or(0);
        }
    }
    Ok(by_name.into_iter().map(|(name, time)| (name, time / sends)).collect())
}

/// The number behind a key at the beginning of a line.
fn number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_of_each_kernel_are_traced() {
        let script = |functions: &[&str]| tools(|name| functions.contains(&name))[4].command[2].clone();
        let new = script(&["msg_zerocopy_realloc", "msg_zerocopy_complete"]);
        assert!(
            new.contains("kretfunc:msg_zerocopy_realloc") && new.contains("kfunc:msg_zerocopy_complete"),
            "{new}"
        );
        let old = script(&["sock_zerocopy_realloc", "sock_zerocopy_put"]);
        assert!(
            old.contains("kretfunc:sock_zerocopy_realloc") && old.contains("kfunc:sock_zerocopy_put"),
            "{old}"
        );
    }

    #[test]
    fn a_figure_is_compared_with_the_reference() {
        assert_eq!(ratio(Some(150), Some(100)), "x 1.50");
        assert_eq!(ratio(Some(100), Some(100)), "=");
        assert_eq!((ratio(Some(1), Some(0)), ratio(None, Some(1))), ("-".to_owned(), "-".to_owned()));
        let tool = json!({ "instructions": { "packet": [3, 1, 2] } });
        assert_eq!((middle(&tool, "packet"), middle(&tool, "send")), (Some(2), None));
    }

    #[test]
    fn numbers_of_proc() {
        let info = "pos:\t0\nprog_id:\t17\nrun_time_ns:\t90210\nVmRSS:\t   8400 kB\n";
        assert_eq!(
            ["prog_id:", "run_time_ns:", "VmRSS:", "run_cnt:"].map(|key| number(info, key)),
            [Some(17), Some(90_210), Some(8400), None]
        );
    }
}
