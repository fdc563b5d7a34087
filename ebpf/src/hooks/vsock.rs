//! A send call on a vsock returns: `vsock_connectible_sendmsg()`, in a module. As `sent.rs`; a probe at the exit has lost
//! the function's arguments, so they are kept from its entry on.
#![expect(unsafe_code, reason = "a map value is reached through a raw pointer")]

use aya_ebpf::{
    helpers::bpf_get_current_pid_tgid,
    macros::{kprobe, kretprobe, map},
    maps::LruHashMap,
    programs::{ProbeContext, RetProbeContext},
};
use zcdiag_wire::rooms;

use super::sent::{asks_for_zerocopy, count_unless_sent};
use crate::{
    facts::offset,
    read::{Addr, Struct},
    sending,
};

/// The sockets of send calls that ask for zero copy, by task.
#[map]
static VSOCK_CALLS: LruHashMap<u64, Addr> = LruHashMap::with_max_entries(rooms::VSOCK_CALLS, 0);

#[inline(always)]
fn on_call(socket: Addr, msg: Addr) -> Option<()> {
    let task = bpf_get_current_pid_tgid();
    // Those of io_uring are seen by what their requests return.
    if asks_for_zerocopy(msg) && msg.value::<Addr>(offset!(msg_ubuf)) == 0 {
        VSOCK_CALLS.insert(&task, &socket, 0).ok()?;
    } else {
        // Of a call whose end was not seen.
        let _ = VSOCK_CALLS.remove(&task);
    }
    Some(())
}

#[inline(always)]
fn on_return(result: i32) -> Option<()> {
    let task = bpf_get_current_pid_tgid();
    let socket = VSOCK_CALLS.get_ptr(&task)?;
    // SAFETY: entries stay while a program runs; the entry is this task's own.
    let socket = unsafe { *socket };
    let _ = VSOCK_CALLS.remove(&task);
    sending::end();
    count_unless_sent(socket, result)
}

#[kprobe]
fn vsock_sendmsg_kprobe(ctx: ProbeContext) -> Option<()> {
    on_call(ctx.arg(0)?, ctx.arg(1)?)
}

#[kretprobe]
fn vsock_sendmsg_kretprobe(ctx: RetProbeContext) -> Option<()> {
    on_return(ctx.ret())
}
