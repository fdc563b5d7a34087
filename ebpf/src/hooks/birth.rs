//! A uarg is born: `msg_zerocopy_realloc()`, before 5.12 `sock_zerocopy_realloc()`, has returned.

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kretprobe},
    programs::{FExitContext, RetProbeContext},
};
use zcdiag_wire::{SendApi, Uarg, UargFlags};

use crate::{
    facts,
    log::debug,
    outcome,
    read::Addr,
    sender::{self, UDP},
    sock, uarg,
};

/// The function also returns a uarg that it has merged one more send into; a new one is known by its
/// one send and its one reference. The merged ones are counted from the uarg when it ends.
#[inline(always)]
fn on_birth(ctx: &impl EbpfContext, new: Addr) -> Option<()> {
    if new == 0 || uarg::len(new)? != 1 || uarg::refs(new)? != 1 {
        return None;
    }
    let tgid = sender::current_tgid();
    if tgid == facts::own_tgid() {
        return None;
    }
    let sk = uarg::sock(new)?;
    let sender = sender::current(tgid, sk, SendApi::MSG_ZEROCOPY);
    sender::remember(&sender);
    debug!(ctx, "uarg {} born by process {}", new, tgid);
    let mut flags = 0;
    if sender.protocol == UDP {
        if sock::is_corked(sk) {
            flags |= UargFlags::CORKED;
        }
        if sock::segments(sk) {
            flags |= UargFlags::SEGMENTED;
        }
    }
    if uarg::is_first(new) {
        outcome::forget(&sk);
    }
    uarg::begin(new, &Uarg { sender, sock: sk, size: uarg::bytelen(new), flags, ..Uarg::default() });
    Some(())
}

// The return value follows the arguments. A variable index would be one program less, but up to 6.12
// the verifier refuses it.
#[fexit]
fn birth_fexit3(ctx: FExitContext) -> Option<()> {
    on_birth(&ctx, ctx.arg(3))
}

#[fexit]
fn birth_fexit4(ctx: FExitContext) -> Option<()> {
    on_birth(&ctx, ctx.arg(4))
}

#[kretprobe]
fn birth_kretprobe(ctx: RetProbeContext) -> Option<()> {
    on_birth(&ctx, ctx.ret())
}
