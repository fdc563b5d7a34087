//! Programs that look at copies: zcdiag, and what people use without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::loaded_programs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a tool may take to attach, in the guest's time.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long it may take to end.
const TO_END: Duration = Duration::from_secs(20);

/// A program that looks at copies.
pub(super) struct Tool {
    pub(super) name: &'static str,
    command: Vec<String>,
    /// BPF links that it has when everything is attached; `None`: it says so.
    links: Option<usize>,
}

impl Tool {
    /// `zcdiag watch` with further options.
    pub(super) fn zcdiag(options: &[&str]) -> Self {
        let command = ["zcdiag", "watch", "--json"].iter().chain(options).map(ToString::to_string);
        Self { name: "zcdiag watch", command: command.collect(), links: None }
    }

    fn bpftrace(name: &'static str, script: String, links: usize) -> Self {
        Self { name, command: vec!["bpftrace".to_owned(), "-e".to_owned(), script], links: Some(links) }
    }

    /// Whether it says itself when it is attached, and rests.
    pub(super) fn is_zcdiag(&self) -> bool {
        self.links.is_none()
    }
}

/// What people use without zcdiag; `has` tells whether the kernel has a function.
pub(super) fn of_others(has: impl Fn(&str) -> bool) -> Vec<Tool> {
    let first = |names: &[&'static str]| names.iter().copied().find(|name| has(name)).unwrap_or(names[0]);
    let birth = first(&["msg_zerocopy_realloc", "sock_zerocopy_realloc"]);
    let put = first(&["msg_zerocopy_complete", "msg_zerocopy_callback", "sock_zerocopy_put"]);
    let at_copy = |action: &str| format!("kfunc:skb_copy_ubufs {{ {action} }}");
    let count = "@copies[pid, comm, kstack] = count();";
    vec![
        Tool::bpftrace("bpftrace: nothing at the copy", at_copy(""), 1),
        Tool::bpftrace("bpftrace: a bare count", at_copy("@ = count();"), 1),
        Tool::bpftrace("bpftrace: count by pid, comm, kstack", at_copy(count), 1),
        Tool::bpftrace(
            "bpftrace: print pid, comm, kstack",
            at_copy("printf(\"%d %s %s\\n\", pid, comm, kstack);"),
            1,
        ),
        Tool::bpftrace(
            "bpftrace: births, ends and taps too",
            format!(
                "{} kretfunc:{birth} {{ @births[pid, comm] = count(); }} \
                 kfunc:{put} {{ @ends[pid] = count(); }} kfunc:dev_queue_xmit_nit {{ @taps = count(); }}",
                at_copy(count)
            ),
            4,
        ),
    ]
}

/// What was done with a tool; nothing, if it is not ours and does not work with this kernel, which is said.
pub(super) fn if_it_works<T>(tool: &Tool, done: Result<T>) -> Result<Option<T>> {
    match done {
        Err(error) if !tool.is_zcdiag() => {
            eprintln!("left out: {}: {error:#}", tool.name);
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// The functions of the running kernel.
pub(super) fn functions() -> Result<BTreeSet<String>> {
    let symbols = fs::read_to_string("/proc/kallsyms").context("read the kernel's symbols")?;
    Ok(symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect())
}

/// A tool that is attached, ended when dropped.
pub(super) struct Running {
    child: Child,
    /// What it writes from now on.
    lines: Option<JoinHandle<Vec<String>>>,
}

impl Running {
    /// Starts it; gives also how long it took until everything was attached.
    pub(super) fn start(tool: &Tool) -> Result<(Self, Duration)> {
        let started = Instant::now();
        let mut command = Command::new(&tool.command[0]);
        command.args(&tool.command[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("start {}", tool.command[0]))?;
        let mut stdout = BufReader::new(child.stdout.take().context("its output is piped")?);
        let mut running = Self { child, lines: None };
        match tool.links {
            None => {
                stdout.read_line(&mut String::new()).context("wait until it is attached")?;
            }
            // Nothing tells when bpftrace has attached its last program.
            Some(links) => running.wait("it has not attached its programs", |now| now >= links)?,
        }
        let attached = started.elapsed();
        // Read on, or it would be held up.
        running.lines = Some(thread::spawn(move || stdout.lines().map_while(Result::ok).collect()));
        Ok((running, attached))
    }

    /// Ends it; gives the last object of each type that it wrote as JSON, in the order in which they are wanted.
    pub(super) fn end(mut self, wanted: &[&str]) -> Result<Vec<Value>> {
        self.interrupt();
        let lines = self.lines.take().map(JoinHandle::join).context("it was not started")?;
        let lines = lines.map_err(|_| anyhow::anyhow!("its output cannot be read"))?;
        let objects = lines.iter().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let objects: Vec<Value> = objects.collect();
        let last = |wanted: &&str| objects.iter().find(|object| object["type"] == **wanted).cloned();
        Ok(wanted.iter().filter_map(last).collect())
    }

    fn interrupt(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let since = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            // bpftrace goes on when it is interrupted in the wrong moment.
            if since.elapsed() > TO_END {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the number of its BPF links is right.
    pub(super) fn wait(&mut self, if_not: &str, right: impl Fn(usize) -> bool) -> Result<()> {
        let since = Instant::now();
        while !right(self.links()?) {
            if let Some(status) = self.child.try_wait().context("look at it")? {
                bail!("it ended: {status}");
            }
            if since.elapsed() > PATIENCE {
                bail!("{if_not} in {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until no link has come or gone for a second.
    pub(super) fn wait_until_steady(&self) -> Result<()> {
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

    pub(super) fn links(&self) -> Result<usize> {
        Ok(self.files()?.iter().filter(|file| file.contains("link_type:")).count())
    }

    /// What the kernel says of each open file.
    fn files(&self) -> Result<Vec<String>> {
        let directory = format!("/proc/{}/fdinfo", self.child.id());
        let entries = fs::read_dir(&directory).with_context(|| format!("list {directory}"))?;
        // One that was closed meanwhile is none.
        Ok(entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect())
    }

    /// Nanoseconds that each of its programs has run, by id.
    pub(super) fn run_times(&self) -> Result<BTreeMap<u64, u64>> {
        let programs = self
            .files()?
            .into_iter()
            .filter_map(|file| Some((number(&file, "prog_id:")?, number(&file, "run_time_ns:")?)));
        let programs: BTreeMap<u64, u64> = programs.collect();
        ensure!(!programs.is_empty(), "it has no BPF programs");
        Ok(programs)
    }

    /// Its memory in kB: all that is resident, and what of that is its own and not pages of files.
    pub(super) fn memory_kb(&self) -> Result<[u64; 2]> {
        memory_kb(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.interrupt();
    }
}

/// A process's memory in kB: all that is resident, and what of that is its own and not pages of files.
pub(super) fn memory_kb(pid: u32) -> Result<[u64; 2]> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let kb = |key| number(&status, key).with_context(|| format!("{path} has no {key}"));
    Ok([kb("VmRSS:")?, kb("RssAnon:")?])
}

/// What each program, by its name in the kernel, has run since `before`.
pub(super) fn since(before: &BTreeMap<u64, u64>, now: &BTreeMap<u64, u64>) -> Result<BTreeMap<String, u64>> {
    let mut by_name = BTreeMap::new();
    for program in loaded_programs() {
        let program = program.context("list the BPF programs")?;
        let id = u64::from(program.id());
        if let Some(time) = now.get(&id) {
            let name = program.name_as_str().unwrap_or("?").to_owned();
            *by_name.entry(name).or_insert(0) += time - before.get(&id).copied().unwrap_or(0);
        }
    }
    Ok(by_name)
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
        let script = |functions: &[&str]| of_others(|name| functions.contains(&name))[4].command[2].clone();
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
    fn numbers_of_proc() {
        let info = "pos:\t0\nprog_id:\t17\nrun_time_ns:\t90210\nVmRSS:\t   8400 kB\n";
        assert_eq!(
            ["prog_id:", "run_time_ns:", "VmRSS:", "run_cnt:"].map(|key| number(info, key)),
            [Some(17), Some(90_210), Some(8400), None]
        );
    }
}
