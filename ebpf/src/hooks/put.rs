//! A reference to a uarg goes: `msg_zerocopy_complete()` (6.10 and later), `msg_zerocopy_callback()`
//! (5.12 to 6.9), `sock_zerocopy_put()` (before), and `msg_zerocopy_put_abort()` when a send fails.
//!
//! A reference that goes without success tells that its packet was copied; the first one decides the
//! cause. The last one is the end of the uarg. It is known at entry by its count of one; but when two are
//! under way at a time, on two CPUs or in a softirq on top of a send call, both may read two, so the exit
//! looks again. That is not needed where the kernel decides this in a function of its own, `__msg_zerocopy_callback()`:
//! in some builds it is inlined.

use aya_ebpf::{
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use zcdiag_wire::{Loss, SiteKind, TallyKey, Uarg, UargFlags};

use crate::{
    cpu, facts, held,
    log::debug,
    loss,
    read::{Addr, Struct, Typed},
    records::{Any, Kernel, New},
    sender, shared,
    site::{self, Place},
    skb, switches, uarg, upfront,
};

/// Notes a copy of the data of `skb`, and charges it if this CPU is in the middle of it. `first`: the uarg still had
/// its zerocopy bit before, so this copy is the one that decides.
#[inline(always)]
pub(super) fn note_copy<K: Kernel>(
    ctx: &impl Place,
    window: &mut cpu::Window,
    (uarg, skb): (Addr, impl Struct),
    record: &mut Uarg,
    first: bool,
) {
    let copying = K::is_copying(window, uarg, skb.addr());
    // Outside of a copy there is something to note only if nothing is noted yet.
    if !copying && record.settled != 0 {
        return;
    }
    let decides = first && record.settled != 1;
    record.settled = 1;
    let mut site = site::current(ctx, skb, record.connection);
    let received = site.kind == SiteKind::STACK && skb.addr() != 0 && skb::received(skb);
    if received {
        if skb::looped(skb) {
            site.kind = if skb::to_group(skb) { SiteKind::RX_LOOPED } else { SiteKind::RX_BROADCAST };
        } else if record.flags & UargFlags::MIRRED != 0 {
            site.kind = SiteKind::RX_MIRRED;
        }
    }
    debug!(ctx, "uarg {} copied, kind {} stack {} ifindex {}", uarg, site.kind, site.stack, site.ifindex);
    if decides {
        record.site = site;
    }
    if copying {
        window.charge = TallyKey { sender: record.sender, site };
        window.copy_charged = true;
        K::charge(window, record.connection);
        if received {
            let charge = window.charge;
            if held::hold(skb.addr(), uarg, &charge) && decides && record.ended == 0 {
                record.ended = 2;
            }
        }
    }
}

/// As many references as may be on their way out at a time, each on a CPU of its own: from here on the
/// state of the uarg is kept, so that the exit of whichever goes last knows it.
const LAST_FEW: u32 = 4;

/// The same where the end is seen by itself.
#[inline(always)]
fn on_any_put(ctx: &impl Place, skb: impl Struct, uarg: Addr, success: bool) -> Option<()> {
    let record = uarg::record(uarg)?;
    if success {
        // Should the send call have copied, it may show why.
        record.packet = skb.addr();
        return Some(());
    }
    let zerocopy = uarg::State::of(uarg).zerocopy();
    if record.settled == 0 && !zerocopy {
        upfront::note(uarg, skb.addr());
    }
    note_copy::<New>(ctx, cpu::window()?, (uarg, skb), record, zerocopy);
    Some(())
}

/// The last reference has gone: `__msg_zerocopy_callback()`, where the kernel's compiler has made it a function.
#[inline(always)]
fn on_end(uarg: impl Struct) -> Option<()> {
    let address = uarg.addr();
    let Some(record) = uarg::record(address) else {
        loss::count(Loss::BORN_BEFORE);
        return None;
    };
    if uarg::finish_plainly(uarg, record) {
        return Some(());
    }
    let state = uarg::State::of(uarg);
    state.keep(record, 0);
    if record.end.zerocopy == 0 && record.settled == 0 {
        // Unless its memory is another's by now.
        let packet =
            if record.packet != 0 && skb::has_had(record.packet, address) { record.packet } else { 0 };
        upfront::note(address, packet);
    }
    uarg::foresee_report(record, state.id());
    uarg::last(address);
    Some(())
}

#[fentry]
fn end_fentry(ctx: FEntryContext) -> Option<()> {
    on_end(Typed(ctx.arg(0)))
}

#[kprobe]
fn end_kprobe(ctx: ProbeContext) -> Option<()> {
    on_end(ctx.arg::<Addr>(0)?)
}

#[inline(always)]
fn on_put<S: Struct>(ctx: &impl Place, skb: S, uarg: S, success: bool) -> Option<()> {
    if facts::sees_ends() {
        return on_any_put(ctx, skb, uarg.addr(), success);
    }
    let refs = uarg::refs(uarg);
    if success && refs > LAST_FEW {
        return None;
    }
    let uarg = uarg.addr();
    let Some(record) = uarg::record(uarg) else {
        if refs == 1 {
            loss::count(Loss::BORN_BEFORE);
        }
        return None;
    };
    let state = uarg::State::read(uarg)?;
    if record.settled == 0 && !state.zerocopy() {
        upfront::note(uarg, skb.addr());
    }
    if !success {
        note_copy::<New>(ctx, cpu::window()?, (uarg, skb), record, state.zerocopy());
    }
    if refs <= LAST_FEW {
        state.keep(record, 0);
    }
    if refs == 1 {
        uarg::foresee_report(record, state.id());
        uarg::last(uarg);
        cpu::window()?.put_ended = uarg;
    }
    Some(())
}

/// The second look: is the uarg at its end although no entry saw that?
#[inline(always)]
fn on_put_exit(uarg: impl Struct) -> Option<()> {
    if uarg.addr() == 0 || uarg::refs(uarg) != 0 {
        return None;
    }
    let uarg = uarg.addr();
    let window = cpu::window()?;
    if window.put_ended == uarg {
        window.put_ended = 0;
        return None;
    }
    uarg::last(uarg);
    Some(())
}

#[fentry]
fn put_fentry(ctx: FEntryContext) -> Option<()> {
    on_put(&ctx, Typed(ctx.arg(0)), Typed(ctx.arg(1)), ctx.arg::<u8>(2) != 0)
}

#[fexit]
fn put_fexit(ctx: FExitContext) -> Option<()> {
    on_put_exit(Typed(ctx.arg(1)))
}

#[kprobe]
fn put_kprobe(ctx: ProbeContext) -> Option<()> {
    let uarg: Addr = ctx.arg(1)?;
    cpu::window()?.put_uarg = uarg;
    on_put(&ctx, ctx.arg(0)?, uarg, ctx.arg::<u8>(2)? != 0)
}

#[kretprobe]
fn put_kretprobe(_ctx: RetProbeContext) -> Option<()> {
    on_put_exit(cpu::window()?.put_uarg)
}

/// The send that fails is the last of its socket: should it have been merged into a uarg, it counts there no more. Its bytes
/// are taken back by what the send call returns.
#[inline(always)]
fn take_back_merged(uarg: Addr) -> Option<()> {
    let record = uarg::record(uarg).filter(|record| record.merged != 0)?;
    record.merged -= 1;
    if record.others != 0 && record.sender.tgid != sender::current_tgid() {
        record.others -= 1;
        shared::take_back(uarg, sender::current_tgid(), 1, 0);
    }
    Some(())
}

/// `have_uref`: the failed send gives back a reference of its own. The function takes its id out of the
/// uarg and then puts that reference; where that put is a call, it is seen there, else the exit counts.
#[inline(always)]
fn on_abort(uarg: Addr, have_uref: bool) -> Option<()> {
    take_back_merged(uarg);
    if !have_uref {
        return None;
    }
    switches::await_result();
    let state = uarg::State::read(uarg)?;
    if state.refs() <= LAST_FEW {
        let record = uarg::record(uarg)?;
        state.keep(record, 1);
    }
    Some(())
}

#[fentry]
fn abort_fentry(ctx: FEntryContext) -> Option<()> {
    on_abort(ctx.arg(0), ctx.arg::<u8>(1) != 0)
}

#[fexit]
fn abort_fexit(ctx: FExitContext) -> Option<()> {
    on_put_exit(Typed(ctx.arg(0)))
}

#[kprobe]
fn abort_kprobe(ctx: ProbeContext) -> Option<()> {
    let uarg = ctx.arg(0)?;
    cpu::window()?.put_uarg = uarg;
    on_abort(uarg, ctx.arg::<u8>(1)? != 0)
}

/// Before 5.12 the caller has already cleared the zerocopy bit, and so has a send that was copied in
/// the send call: within `skb_copy_ubufs` its entry has seen the bit before, elsewhere the stack tells.
#[inline(always)]
fn on_old_put(ctx: &impl Place, uarg: Addr) -> Option<()> {
    // Every TCP send call puts its uarg at the end, also one that has none.
    if uarg == 0 || uarg::State::read(uarg)?.zerocopy() {
        return None;
    }
    let window = cpu::window()?;
    let (released, skb) = window.released;
    let skb = if released == uarg { skb } else { 0 };
    let record = uarg::record(uarg)?;
    let copying = window.copy_uarg == uarg;
    if copying {
        if !window.copy_first && record.settled == 0 {
            upfront::note(uarg, window.copy_skb);
        }
        note_copy::<Any>(ctx, window, (uarg, window.copy_skb), record, window.copy_first);
    } else if record.settled == 0 && record.flags & UargFlags::UNROUTED != 0 {
        upfront::note(uarg, skb);
    } else if record.settled == 0 {
        record.settled = 1;
        record.site = site::by_stack(ctx, skb);
        if skb != 0 {
            let (kind, _) = upfront::reason(record, record.sock, skb);
            record.site.kind = SiteKind::UNLESS_GATHERED | kind;
        }
    }
    Some(())
}

#[fentry]
fn old_put_fentry(ctx: FEntryContext) -> Option<()> {
    on_old_put(&ctx, ctx.arg(0))
}

#[kprobe]
fn old_put_kprobe(ctx: ProbeContext) -> Option<()> {
    on_old_put(&ctx, ctx.arg(0)?)
}

/// Before 5.12 the end is a function of its own: `sock_zerocopy_callback()`, called once.
#[inline(always)]
fn on_old_end(uarg: Addr) -> Option<()> {
    let Some(record) = uarg::record(uarg) else {
        loss::count(Loss::BORN_BEFORE);
        return None;
    };
    let state = uarg::State::read(uarg)?;
    state.keep(record, 0);
    uarg::foresee_report(record, state.id());
    uarg::last_old(uarg);
    Some(())
}

#[fentry]
fn old_end_fentry(ctx: FEntryContext) -> Option<()> {
    on_old_end(ctx.arg(0))
}

#[kprobe]
fn old_end_kprobe(ctx: ProbeContext) -> Option<()> {
    on_old_end(ctx.arg(0)?)
}
