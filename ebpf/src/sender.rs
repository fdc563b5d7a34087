//! Who sends: the process that called send, taken when its uarg is born.
#![expect(unsafe_code, reason = "helpers about the current task are raw functions")]

use aya_ebpf::{
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task,
        bpf_get_current_uid_gid, generated::bpf_get_current_task_btf,
    },
    macros::map,
    maps::HashMap,
};
use zcdiag_wire::{Loss, Rare, RareKind, SenderInfo, SenderKey, SiteKey, rooms};

use crate::{
    facts::{self, offset},
    loss, rare,
    read::{Addr, Struct, Typed},
};

/// `IPPROTO_TCP`
pub(crate) const TCP: u16 = 6;
/// `IPPROTO_UDP`
pub(crate) const UDP: u16 = 17;

#[map]
static SENDERS: HashMap<SenderKey, SenderInfo> = HashMap::with_max_entries(rooms::SENDERS, 0);

/// The current task as the sender on socket `sk`, through one of `SendApi`.
#[inline(always)]
pub(crate) fn current<S: Struct>(tgid: u32, sk: S, api: u32) -> SenderKey {
    SenderKey {
        start_ns: current_start::<S>(),
        tgid,
        netns: sk.go(offset!(sock_net)).get(offset!(net_inum)),
        family: sk.get(offset!(sock_family)),
        protocol: sk.get(offset!(sock_protocol)),
        api,
    }
}

/// Remembers a sender, and announces it when it is new. To be called from its own context.
#[inline(always)]
pub(crate) fn remember(key: &SenderKey) {
    if SENDERS.get_ptr(key).is_none() {
        first(key);
    }
}

/// A function of its own, for the stack's sake.
#[inline(never)]
fn first(key: &SenderKey) {
    if SENDERS.insert(key, &info(), 0).is_err() {
        loss::count(Loss::SENDERS_FULL);
    }
    rare::announce(&Rare { kind: RareKind::SENDER, pad: 0, sender: *key, site: SiteKey::default() });
}

/// What is known of the current task.
#[inline(always)]
pub(crate) fn info() -> SenderInfo {
    SenderInfo {
        // SAFETY: takes no arguments and has no preconditions.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        comm: bpf_get_current_comm().unwrap_or_default(),
        uid: bpf_get_current_uid_gid() as u32,
        tid: bpf_get_current_pid_tgid() as u32,
    }
}

/// Start of the current task's process, in nanoseconds since boot; read as a struct like `S` is. A kernel without BTF
/// refuses a program that calls for a task whose type is known, and it runs probes only.
#[inline(always)]
pub(crate) fn current_start<S: Struct>() -> u64 {
    if !S::TYPED || facts::is_old() {
        // SAFETY: returns the current task's address, which is only handed to checked reads.
        let task: Addr = unsafe { bpf_get_current_task() };
        return start(task);
    }
    // SAFETY: 5.11 and later; returns the current task's address, and the verifier knows its type.
    start(Typed(unsafe { bpf_get_current_task_btf() }.cast()))
}

#[inline(always)]
fn start(task: impl Struct) -> u64 {
    task.go(offset!(task_leader)).get(offset!(task_start))
}

/// Thread group of the current task.
#[inline(always)]
pub(crate) fn current_tgid() -> u32 {
    tgid_of(bpf_get_current_pid_tgid())
}

/// Thread group of a task, of which the numbers of both are given.
#[inline(always)]
pub(crate) fn tgid_of(task: u64) -> u32 {
    (task >> 32) as u32
}
