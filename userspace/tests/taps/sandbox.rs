//! Namespaces of their own for tests, and what the product finds in them.

use std::{
    fs::{self, File},
    os::{fd::AsFd, unix::fs::MetadataExt},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use zcdiag::{
    model::{inventory::TapReport, kernel::TapListScope, tap::JudgedTap},
    process::ProcRoot,
    taps::inventory,
};

use crate::socket;

/// Held by the test that runs: a program that another test starts holds the taps of this one between fork
/// and exec.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test as root on a thread of its own, which it may move to other namespaces; says so if it cannot.
pub(crate) fn as_root(test: impl FnOnce() + Send) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root, to make network namespaces and open packet sockets");
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = thread::scope(|scope| scope.spawn(test).join());
    if let Err(panic) = run {
        std::panic::resume_unwind(panic);
    }
}

/// Like [`as_root`], in a new namespace with a veth pair `v0`–`v1`; gives the index of `v0`.
pub(crate) fn in_sandbox(test: impl FnOnce(u32) + Send) {
    as_root(|| {
        socket::unshare_network();
        ip(&["link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
        for device in ["lo", "v0", "v1"] {
            ip(&["link", "set", device, "up"]);
        }
        test(ifindex("v0"));
    });
}

/// Index of a device in the namespace of the calling thread.
pub(crate) fn ifindex(device: &str) -> u32 {
    let output = Command::new("ip").args(["-o", "link", "show", device]).output().expect("run ip");
    let text = String::from_utf8(output.stdout).expect("ip writes UTF-8");
    text.split(':').next().and_then(|index| index.parse().ok()).expect("a line that begins with the index")
}

/// Runs `ip` in the namespace of the calling thread.
pub(crate) fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).stdin(Stdio::null()).status().expect("run ip");
    assert!(status.success(), "ip {arguments:?}: {status}");
}

/// Number of the calling thread's namespace.
pub(crate) fn netns() -> u32 {
    let inum = fs::metadata("/proc/thread-self/ns/net").expect("own namespace").ino();
    inum.try_into().expect("namespace numbers have 32 bits")
}

/// All that the product finds on the machine.
pub(crate) fn report() -> TapReport {
    report_for(TapListScope::PerNetns)
}

pub(crate) fn report_for(scope: TapListScope) -> TapReport {
    inventory::collect(&ProcRoot::system()).expect("procfs can be read").judge(scope)
}

/// The tap with this inode.
pub(crate) fn find(report: &TapReport, inode: u64) -> &JudgedTap {
    let found = report.taps.iter().find(|judged| judged.tap.inode == inode);
    found.unwrap_or_else(|| panic!("socket {inode} is not among {:#?}", report.taps))
}

/// A namespace with a name, removed at the end.
pub(crate) struct NamedNetns {
    pub(crate) name: String,
}

impl NamedNetns {
    pub(crate) fn new(purpose: &str) -> Self {
        let name = format!("zcdiag-{purpose}-{}", std::process::id());
        ip(&["netns", "add", &name]);
        Self { name }
    }

    /// Runs something in it, then moves the calling thread back.
    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let home = File::open("/proc/thread-self/ns/net").expect("own namespace");
        let target = File::open(format!("/run/netns/{}", self.name)).expect("the named namespace");
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(target.as_fd(), kind).expect("enter the namespace");
        let result = run();
        move_into_link_name_space(home.as_fd(), kind).expect("come back");
        result
    }
}

impl Drop for NamedNetns {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.name]);
    }
}
