//! All taps of the machine, joined from what namespaces, descriptors and sockets tell.

mod found;
mod join;
mod missing;
mod survey;
mod surveyor;

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    panic,
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

pub use found::Inventory;

use crate::{process::ProcRoot, sys::pidns, taps::budget::Budget};

/// Why there is no inventory at all.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// procfs cannot be read.
    #[error("read the processes in {path}")]
    Processes {
        /// Where procfs was expected.
        path: std::path::PathBuf,
        /// Why it could not be read.
        source: io::Error,
    },
    /// No thread could be started to enter namespaces on.
    #[error("start a thread to enter network namespaces on")]
    Thread(#[source] io::Error),
    /// The kernel keeps the thread waiting, as it does where a file system does not answer.
    #[error("not done within {} s: a file system or process may not answer", LONGEST.as_secs())]
    Stuck,
    /// Threads that have been left behind are still waiting.
    #[error("earlier surveys still wait for a file system or process that does not answer")]
    StillStuck,
}

/// How long a survey is waited for: its own deadline, and what may come after it.
pub(crate) const LONGEST: Duration = Duration::from_secs(15);

/// How many surveys may be at work, or left behind.
const MOST_AT_WORK: usize = 4;

static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// One of the surveys that there may be.
struct AtWork;

impl AtWork {
    fn new() -> Result<Self, InventoryError> {
        let one_more = |surveys| (surveys < MOST_AT_WORK).then_some(surveys + 1);
        let more = AT_WORK.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        more.map(|_| Self).map_err(|_| InventoryError::StillStuck)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An inventory, with descriptors to enter the namespaces by if they were asked for.
type Open = (Inventory, BTreeMap<u32, OwnedFd>);

/// Takes stock of every packet socket in every network namespace.
///
/// Works without BPF and never opens a packet socket. Namespaces are entered on a thread that lives only for
/// this call: `setns(2)` moves the calling thread, and threads of an async runtime must stay where they are.
/// Blocks for as long as a pass over `/proc/*/fd` takes, ten seconds at most on a machine that answers.
///
/// What privileges or the kernel withhold, and what there is too much of, is listed in [`Inventory::missing`].
///
/// # Errors
/// Only if procfs cannot be read, no thread be started, or the kernel keeps it waiting.
pub fn collect(proc: &ProcRoot) -> Result<Inventory, InventoryError> {
    let (done, taken) = mpsc::channel();
    begin(proc, move |inventory| drop(done.send(inventory)))?;
    taken.recv_timeout(LONGEST).map_err(|_| InventoryError::Stuck)?
}

/// Begins as [`collect`], on a thread that calls `done` at the end; that may be never.
///
/// # Errors
/// If no thread can be started, or too many are left behind.
pub(crate) fn begin(
    proc: &ProcRoot,
    done: impl FnOnce(Result<Inventory, InventoryError>) + Send + 'static,
) -> Result<(), InventoryError> {
    start(proc, false, |taken| done(taken.map(|(inventory, _)| inventory)))
}

/// Says of a namespace of processes that is not the first one that others are not seen from here.
fn told(proc: &ProcRoot, mut inventory: Inventory) -> Inventory {
    if proc.path() == Path::new(SYSTEM) && pidns::is_first() == Some(false) {
        inventory.complete = false;
        inventory.hidden = true;
        inventory.missing.push(
            "processes outside of this pid namespace, and what they hold; run it on the host, or with the host's pid namespace"
                .to_owned(),
        );
    }
    inventory
}

/// Where this system's processes are.
const SYSTEM: &str = "/proc";

/// The same, with descriptors to enter the namespaces by.
///
/// # Errors
/// As [`collect`].
pub(crate) fn collect_open(proc: &ProcRoot) -> Result<Open, InventoryError> {
    let (done, taken) = mpsc::channel();
    start(proc, true, move |inventory| drop(done.send(inventory)))?;
    taken.recv_timeout(LONGEST).map_err(|_| InventoryError::Stuck)?
}

fn start(
    proc: &ProcRoot,
    open: bool,
    done: impl FnOnce(Result<Open, InventoryError>) + Send + 'static,
) -> Result<(), InventoryError> {
    let at_work = AtWork::new()?;
    let proc = proc.clone();
    let work = move || {
        let taken = work(&proc, open);
        drop(at_work);
        done(taken);
    };
    thread::Builder::new().name("inventory".to_owned()).spawn(work).map(drop).map_err(InventoryError::Thread)
}

fn work(proc: &ProcRoot, open: bool) -> Result<Open, InventoryError> {
    let mut survey = survey(proc)?;
    let handles = if open { survey.census.take_handles() } else { BTreeMap::new() };
    Ok((told(proc, join::join(proc, survey)), handles))
}

fn survey(proc: &ProcRoot) -> Result<survey::Survey, InventoryError> {
    // A directory without processes, not even this one, shows nothing of anybody.
    if proc.path() == Path::new(SYSTEM) && !proc.path().join("self").exists() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no proc file system is mounted there");
        return Err(InventoryError::Processes { path: proc.path().to_owned(), source });
    }
    let budget = Budget::usual();
    let taken = thread::scope(|scope| {
        let worker =
            thread::Builder::new().name("taps".to_owned()).spawn_scoped(scope, || survey::take(proc, budget));
        worker.map(|worker| worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    });
    taken
        .map_err(InventoryError::Thread)?
        .map_err(|source| InventoryError::Processes { path: proc.path().to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::collect;
    use crate::{
        model::{
            kernel::TapListScope,
            tap::{Binding, TapVerdict},
        },
        process::ProcRoot,
    };

    /// Above the largest pid there can be, so that no process of the machine is meant.
    const PID: u32 = 5_000_001;

    #[test]
    fn a_fake_proc_without_namespaces_to_enter() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let process = dir.path().join(PID.to_string());
        for directory in ["ns", "fd", "net"] {
            fs::create_dir_all(process.join(directory)).expect("create the process");
        }
        symlink("net:[77]", process.join("ns/net")).expect("link the namespace");
        symlink("socket:[12354]", process.join("fd/7")).expect("link a descriptor");
        let lines = "sk RefCnt Type Proto Iface R Rmem User Inode\n\
                     0 3 3 0003 5 1 0 0 12354\n\
                     0 3 3 0800 0 1 0 0 12355\n";
        fs::write(process.join("net/packet"), lines).expect("write the sockets");
        let zeros = "0 ".repeat(30);
        fs::write(process.join("stat"), format!("{PID} (dhclient) S {zeros}{zeros}\n")).expect("write stat");

        let inventory = collect(&ProcRoot::new(dir.path())).expect("procfs can be read");
        assert!(!inventory.complete);
        assert_eq!(inventory.kernel, None);
        assert_eq!(inventory.namespaces.len(), 1);
        let report = inventory.judge(TapListScope::PerNetns);
        let [tap, harmless] = &report.taps[..] else { panic!("two taps: {report:?}") };
        assert_eq!(tap.tap.binding, Binding::Device { ifindex: 5, name: None });
        assert_eq!(tap.judgement.verdict, TapVerdict::Unknown, "nothing can be read from the socket");
        assert_eq!(tap.tap.holders[0].process.comm, "dhclient");
        assert_eq!(tap.tap.holders[0].fd, Some(7));
        assert_eq!(harmless.judgement.verdict, TapVerdict::Harmless);
        assert!(harmless.tap.holders.is_empty());
    }

    #[test]
    fn no_proc_is_an_error() {
        let error = collect(&ProcRoot::new("/nonexistent")).expect_err("there is no procfs");
        assert_eq!(error.to_string(), "read the processes in /nonexistent");
    }
}
