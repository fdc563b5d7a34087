//! A uarg is born: `msg_zerocopy_realloc()`, before 5.12 `sock_zerocopy_realloc()`, has returned.

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kretprobe},
    programs::{FExitContext, RetProbeContext},
};
use zcdiag_wire::{MISSING, SendApi, Uarg, UargFlags};

use crate::{
    connections, cpu, facts,
    facts::offset,
    failure,
    log::debug,
    outcome,
    read::{Addr, Struct, Typed},
    records::{Any, New},
    sender::{self, TCP, UDP},
    sending, shared, sock, switches, uarg,
};

/// What is known of a uarg that the function returns.
struct Born {
    uarg: Addr,
    /// Whether it has merged one more send into a uarg that it was given: those are counted from the uarg when it ends.
    merged: bool,
    /// Bytes of the send; with those before it that it was merged with if `is_sum`.
    size: u32,
    is_sum: bool,
    /// Whether it is the first on its socket.
    first: bool,
}

impl Born {
    /// As the arguments tell.
    #[inline(always)]
    fn from_arguments(sk: impl Struct, size: u64, given: Addr, uarg: Addr) -> Self {
        // The socket has counted it already.
        let first = offset!(sock_zckey) == MISSING || sk.value::<u32>(offset!(sock_zckey)) == 1;
        Self { uarg, merged: given == uarg, size: size as u32, is_sum: false, first }
    }

    /// As the uarg itself tells: a new one has one send and one reference.
    #[inline(always)]
    fn from_uarg(uarg: Addr) -> Option<Self> {
        let state = uarg::State::read(uarg)?;
        let merged = state.len() != 1 || state.refs() != 1;
        Some(Self { uarg, merged, size: state.bytes(), is_sum: true, first: state.id() == 0 })
    }
}

#[inline(always)]
fn on_birth<K: Follow>(ctx: &impl EbpfContext, sk: impl Struct, born: &Born) -> Option<()> {
    let task = sending::begin(born.uarg);
    let tgid = sender::tgid_of(task);
    if born.merged {
        return on_merge(born, sk, tgid);
    }
    if facts::is_left_out(tgid) {
        return None;
    }
    debug!(ctx, "uarg {} born by process {}", born.uarg, tgid);
    let record = K::begin(born.uarg)?;
    record.sock = sk.addr();
    let (born_ns, timed) = cpu::time_of_birth();
    record.born_ns = born_ns;
    record.size = born.size;
    K::follow(record, sk, tgid, born.first);
    record.flags = flags(record, sk) | if timed { UargFlags::TIMED } else { 0 };
    Some(())
}

/// The kernel has merged a send into a uarg that is on its way.
#[inline(always)]
fn on_merge(born: &Born, sk: impl Struct, tgid: u32) -> Option<()> {
    let record = uarg::record(born.uarg)?;
    record.merged += 1;
    let before = record.size.wrapping_add(record.merged_bytes);
    let size = if born.is_sum { born.size.wrapping_sub(before) } else { born.size };
    record.merged_bytes = record.merged_bytes.wrapping_add(size);
    if record.sender.tgid != tgid
        && shared::note_merged(born.uarg, sk.addr(), tgid, (size, record.others == 0))
    {
        record.others += 1;
        record.others_bytes = record.others_bytes.wrapping_add(size);
    }
    Some(())
}

/// Of [`UargFlags`].
#[inline(always)]
fn flags(record: &Uarg, sk: impl Struct) -> u32 {
    match record.sender.protocol {
        UDP if sock::is_corked(record.sock) => UargFlags::CORKED,
        TCP if sock::is_unrouted(sk) => UargFlags::UNROUTED,
        _ => 0,
    }
}

/// How a send is followed from its birth on.
trait Follow {
    /// Makes its record.
    fn begin(uarg: Addr) -> Option<&'static mut Uarg>;

    /// Finds who has sent it, and where it counts.
    fn follow<S: Struct>(record: &mut Uarg, sk: S, tgid: u32, first: bool);
}

impl Follow for New {
    #[inline(always)]
    fn begin(uarg: Addr) -> Option<&'static mut Uarg> {
        uarg::begin(uarg)
    }

    #[inline(always)]
    fn follow<S: Struct>(record: &mut Uarg, sk: S, tgid: u32, first: bool) {
        if first {
            outcome::forget(record.sock);
        } else if let Some((connection, sender)) =
            connections::enter(record.sock, tgid, sender::current_start::<S>())
        {
            record.connection = connection;
            record.sender = *sender;
            return;
        }
        record.sender = sender::current(tgid, sk, SendApi::MSG_ZEROCOPY);
        record.connection = connections::open(record.sock, &record.sender, first);
    }
}

impl Follow for Any {
    #[inline(always)]
    fn begin(uarg: Addr) -> Option<&'static mut Uarg> {
        uarg::begin_old(uarg)
    }

    #[inline(always)]
    fn follow<S: Struct>(record: &mut Uarg, sk: S, tgid: u32, first: bool) {
        record.sender = sender::current(tgid, sk, SendApi::MSG_ZEROCOPY);
        sender::remember(&record.sender);
        if first {
            outcome::forget(record.sock);
        }
    }
}

/// There was no memory for a uarg: the option memory of the socket, or what the user may pin, is used up.
#[inline(always)]
fn on_refusal() {
    switches::await_result();
    failure::refuse_uarg();
}

/// `born` is 0 where there was no memory for it.
#[inline(always)]
fn was_refused(born: Addr) -> bool {
    switches::stir();
    if born == 0 {
        on_refusal();
    }
    born == 0
}

#[inline(always)]
fn on_exit<K: Follow>(ctx: &FExitContext, uarg: Addr) -> Option<()> {
    if was_refused(uarg) {
        return None;
    }
    let sk = Typed(ctx.arg(0));
    on_birth::<K>(ctx, sk, &Born::from_arguments(sk, ctx.arg(1), ctx.arg(2), uarg))
}

/// A kretprobe has lost the function's arguments.
#[inline(always)]
fn on_return<K: Follow>(ctx: &RetProbeContext) -> Option<()> {
    let uarg: Addr = ctx.ret();
    if was_refused(uarg) {
        return None;
    }
    on_birth::<K>(ctx, uarg::sock(uarg)?, &Born::from_uarg(uarg)?)
}

// The return value follows the arguments. A variable index would be one program less, but up to 6.12
// the verifier refuses it.
#[fexit]
fn birth_fexit3(ctx: FExitContext) -> Option<()> {
    on_exit::<New>(&ctx, ctx.arg(3))
}

#[fexit]
fn birth_fexit4(ctx: FExitContext) -> Option<()> {
    on_exit::<New>(&ctx, ctx.arg(4))
}

#[kretprobe]
fn birth_kretprobe(ctx: RetProbeContext) -> Option<()> {
    on_return::<New>(&ctx)
}

#[fexit]
fn old_birth_fexit(ctx: FExitContext) -> Option<()> {
    on_exit::<Any>(&ctx, ctx.arg(3))
}

#[kretprobe]
fn old_birth_kretprobe(ctx: RetProbeContext) -> Option<()> {
    on_return::<Any>(&ctx)
}
