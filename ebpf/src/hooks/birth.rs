//! A uarg is born: `msg_zerocopy_realloc()`, before 5.12 `sock_zerocopy_realloc()`, has returned.

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kretprobe},
    programs::{FExitContext, RetProbeContext},
};
use zcdiag_wire::{SendApi, UargFlags};

use crate::{
    cpu, facts, failure,
    log::debug,
    outcome,
    read::{Addr, Struct, Typed},
    sender::{self, TCP, UDP},
    sending, sock, switches, uarg,
};

/// The function also returns a uarg that it has merged one more send into; a new one is known by its
/// one send and its one reference. The merged ones are counted from the uarg when it ends.
#[inline(always)]
fn on_birth(ctx: &impl EbpfContext, sk: impl Struct, new: Addr) -> Option<()> {
    let state = uarg::State::read(new)?;
    if state.len() != 1 || state.refs() != 1 {
        return None;
    }
    let tgid = sender::current_tgid();
    if facts::is_left_out(tgid) {
        return None;
    }
    let sender = sender::current(tgid, sk, SendApi::MSG_ZEROCOPY);
    sender::remember(&sender);
    debug!(ctx, "uarg {} born by process {}", new, tgid);
    let mut flags = 0;
    let sock = sk.addr();
    if sender.protocol == UDP {
        let (corked, segments) = sock::corked_and_segments(sock);
        if corked {
            flags |= UargFlags::CORKED;
        }
        if segments {
            flags |= UargFlags::SEGMENTED;
        }
    }
    if sender.protocol == TCP && sock::is_unrouted(sk) {
        flags |= UargFlags::UNROUTED;
    }
    if state.id() == 0 {
        // Of an address that is a typed pointer the verifier would not let a hash be made.
        outcome::forget(uarg::sock(new)?);
    }
    let record = uarg::begin(new)?;
    record.sender = sender;
    record.sock = sock;
    record.born_ns = cpu::now();
    record.size = state.bytes();
    record.flags = flags;
    Some(())
}

/// There was no memory for a uarg: the option memory of the socket, or what the user may pin, is used up.
#[inline(always)]
fn on_refusal() {
    switches::await_result();
    failure::refuse_uarg();
}

/// `new` is 0 where there was no memory for it.
#[inline(always)]
fn on_exit(ctx: &FExitContext, new: Addr) -> Option<()> {
    switches::stir();
    if new == 0 {
        on_refusal();
        return None;
    }
    sending::begin(new);
    on_birth(ctx, Typed(ctx.arg(0)), new)
}

// The return value follows the arguments. A variable index would be one program less, but up to 6.12
// the verifier refuses it.
#[fexit]
fn birth_fexit3(ctx: FExitContext) -> Option<()> {
    on_exit(&ctx, ctx.arg(3))
}

#[fexit]
fn birth_fexit4(ctx: FExitContext) -> Option<()> {
    on_exit(&ctx, ctx.arg(4))
}

#[kretprobe]
fn birth_kretprobe(ctx: RetProbeContext) -> Option<()> {
    switches::stir();
    let new: Addr = ctx.ret();
    if new == 0 {
        on_refusal();
        return None;
    }
    sending::begin(new);
    on_birth(&ctx, uarg::sock(new)?, new)
}
