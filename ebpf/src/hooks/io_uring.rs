//! Zerocopy sends of io_uring: `io_send_zc()` and `io_sendmsg_zc()` carry them out (6.0 and later). Each request has a
//! uarg of its own, a plain `struct ubuf_info` within the notification that the request will post.
//!
//! The references go through `io_tx_ubuf_complete()` (6.10 and later), `io_tx_ubuf_callback()` or
//! `io_uring_tx_zerocopy_callback()`; where `io_notif_flush()` is a function, it drops the request's own reference
//! by itself. As with other uargs (`put.rs`), the exit looks again whether the last one has gone.
//!
//! A request is a send if what it returns says so; one that fails posts its notification all the same. That is known
//! when the function that carries it out returns, after the last reference may have gone: such an end waits for it.
//! A request that fails while it is prepared (`io_send_zc_prep()`) never comes that far.
//!
//! From 6.10 on a request whose data goes into a packet of an earlier one rides on that one (`io_link_skb()` in
//! `io_uring/notif.c`), without a reference of its own: what becomes of the packet is what becomes of both. The kernel
//! has them end together at the head of their chain, tells the head what became of the last packet of each, whosever it
//! was, and tells a request that has no packet of its own "copied".

use aya_ebpf::{
    helpers::generated::bpf_get_current_task_btf,
    macros::{fentry, fexit, kprobe, kretprobe, map},
    maps::HashMap,
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use zcdiag_wire::{Loss, MISSING, SendApi, SenderKey, Uarg, UargFlags, rooms};

mod ending;

use self::ending::{Told, end, head, let_go};
use super::{put::note_copy, sent::is_to_be_tried_again};
use crate::{
    cpu, facts,
    facts::offset,
    failure, loss,
    read::{Addr, Struct, Typed, field},
    records::Requests,
    sender::{self, TCP, UDP},
    site::Place,
    skb, sock, switches, uarg, upfront,
};

/// The uarg of each request that is being carried out: the request itself has forgotten it by the end.
#[map]
static REQUESTS: HashMap<Addr, Addr> = HashMap::with_max_entries(rooms::REQUESTS, 0);

/// `S_IFMT` and `S_IFSOCK` of `linux/stat.h`
const KIND_OF_FILE: u16 = 0o170_000;
const SOCKET: u16 = 0o140_000;

/// The socket that is behind a file, or 0.
#[inline(always)]
fn sock_of(file: Addr) -> Addr {
    if file == 0
        || file.follow(offset!(file_inode)).value::<u16>(offset!(inode_mode)) & KIND_OF_FILE != SOCKET
    {
        return 0;
    }
    file.follow(offset!(file_private)).follow(offset!(socket_sk))
}

/// The current task as the sender of a request on `sk`; of what is no socket, family and protocol are 0.
#[inline(always)]
fn sender_on(tgid: u32, sk: Addr) -> SenderKey {
    if sk != 0 {
        return sender::current(tgid, sk, SendApi::IO_URING);
    }
    SenderKey {
        tgid,
        start_ns: sender::current_start::<Addr>(),
        api: SendApi::IO_URING,
        ..SenderKey::default()
    }
}

/// The uarg of a request, 0 if it has none.
#[inline(always)]
fn uarg_of_request(req: Addr) -> Addr {
    let notif: Addr = (req + u64::from(offset!(kiocb_cmd))).follow(offset!(sr_notif));
    if notif == 0 { 0 } else { uarg_of(notif) }
}

#[inline(always)]
fn uarg_of(notif: Addr) -> Addr {
    notif + u64::from(offset!(kiocb_cmd)) + u64::from(offset!(notif_uarg))
}

/// A request may come here several times, until its socket takes the data. A record that has ended is another's,
/// which was at the same address: where its copied packet went is still to be seen.
#[inline(always)]
fn on_send(req: Addr) -> Option<()> {
    switches::stir();
    let tgid = sender::current_tgid();
    if facts::is_left_out(tgid) {
        return None;
    }
    let uarg = uarg_of_request(req);
    if uarg == 0 {
        return None;
    }
    let in_call = begin_call(req, uarg);
    if let Some(record) = uarg::request(uarg)
        && record.ended != 1
        && record.ended_in_call == 0
        && record.flags & UargFlags::ENDED == 0
    {
        record.in_call = in_call;
        return None;
    }
    let sk = sock_of(field(req, offset!(kiocb_file))?);
    let sender = sender_on(tgid, sk);
    sender::remember(&sender);
    let record = uarg::begin_request(uarg)?;
    record.sender = sender;
    record.in_call = in_call;
    let (born_ns, timed) = cpu::time_of_birth();
    record.born_ns = born_ns;
    if timed {
        record.flags |= UargFlags::TIMED;
    }
    if sender.protocol == UDP && sock::is_corked(sk) {
        record.flags |= UargFlags::CORKED;
    }
    Some(())
}

/// 1 if it will be seen what the request returns.
#[inline(always)]
fn begin_call(req: Addr, uarg: Addr) -> u32 {
    if !facts::sees_io_results() {
        return 0;
    }
    let kept = REQUESTS.insert(&req, &uarg, 0).is_ok();
    if !kept {
        loss::count(Loss::UARGS_FULL);
    }
    u32::from(kept)
}

/// `EIOCBQUEUED`: somebody else completes the request.
const QUEUED: i32 = -529;
/// `IO_URING_F_UNLOCKED`: the request keeps its own reference until it is cleaned up.
const UNLOCKED: u32 = 2;

/// The request has been carried out, or is to be tried again.
#[inline(always)]
fn on_sent(req: Addr, issue_flags: u32, returned: i32) -> Option<()> {
    let uarg = REQUESTS.get_ptr(&req)?;
    #[expect(unsafe_code, reason = "a map value is reached through a raw pointer")]
    // SAFETY: entries are preallocated, and a request is carried out by one task at a time.
    let uarg = unsafe { *uarg };
    // Nobody else removes it.
    let _ = REQUESTS.remove(&req);
    let record = uarg::request(uarg)?;
    let again = returned == QUEUED || returned < 0 && is_to_be_tried_again(returned);
    let own = u32::from(again || issue_flags & UNLOCKED != 0);
    if record.ended_in_call == 0 && uarg::refs(uarg) > own || head(uarg) != uarg {
        record.flags |= UargFlags::TAKEN;
    }
    if again {
        // Should it be given up while it waits, this is what was sent.
        record.size = (req + u64::from(offset!(kiocb_cmd))).value::<u32>(offset!(sr_done));
        record.in_call = 0;
        return None;
    }
    let result = if returned == 0 { field(req, offset!(kiocb_result))? } else { returned };
    if result < 0 {
        // Its notification is no send's.
        if !is_to_be_tried_again(result) {
            let sk = sock_of(field(req, offset!(kiocb_file))?);
            failure::count(&record.sender, result.unsigned_abs(), sk);
        }
        give_up(uarg, record);
        return None;
    }
    if result == 0 && record.sender.protocol == TCP {
        // Nothing to send, nothing to copy.
        give_up(uarg, record);
        return None;
    }
    record.size = result.unsigned_abs();
    record.flags |= UargFlags::SENT;
    if record.flags & (UargFlags::TAKEN | UargFlags::USED) == 0 && record.settled == 0 {
        let sk = sock_of(field(req, offset!(kiocb_file))?);
        upfront::note_from_socket(record, sk);
    }
    // Not before all is known of it: its last reference may go in a softirq meanwhile.
    record.in_call = 0;
    let gone = uarg::refs(uarg) == 0;
    if gone || record.ended_in_call != 0 {
        end(uarg, Told::by(uarg));
    }
    Some(())
}

/// A request that never was a send is followed no longer.
#[inline(always)]
fn give_up(uarg: Addr, record: &Uarg) {
    let_go(record.carrier);
    uarg::forget(uarg);
}

/// A request that is refused before it is carried out: `sk` is not known to it yet, only the number of its file.
#[inline(always)]
fn on_prepared(req: Addr, result: i32) -> Option<()> {
    let tgid = sender::current_tgid();
    if result >= 0 || facts::is_left_out(tgid) {
        return None;
    }
    switches::stir();
    failure::count(&sender_on(tgid, sock_of(file_of(req))), result.unsigned_abs(), 0);
    Some(())
}

/// `REQ_F_FIXED_FILE`: the number is not one of the process's files.
const FIXED_FILE: u32 = 1;

#[inline(always)]
fn file_of(req: Addr) -> Addr {
    if req.value::<u32>(offset!(kiocb_flags)) & FIXED_FILE != 0 {
        return 0;
    }
    #[expect(unsafe_code, reason = "the helper is a raw function")]
    // SAFETY: 5.11 and later, and so is the hooked function; returns the current task's address.
    let task = unsafe { bpf_get_current_task_btf() } as Addr;
    let table: Addr = task.follow(offset!(task_files)).follow(offset!(files_table));
    let fd: u32 = req.value(offset!(kiocb_fd));
    if fd >= table.value::<u32>(offset!(table_max)) {
        return 0;
    }
    (table.follow(offset!(table_fds)) + u64::from(fd) * 8).follow(0)
}

/// The data of a request goes into `skb`, which has its uarg from the request that it was made for.
#[inline(always)]
fn on_link(skb: impl Struct, uarg: Addr) -> Option<()> {
    let record = uarg::request(uarg)?;
    record.flags |= UargFlags::TAKEN;
    let carrier = skb::uarg(skb)?;
    if carrier != uarg && record.carrier == 0 {
        record.carrier = carrier;
        uarg::request(carrier)?.riders.waiting += 1;
    }
    Some(())
}

/// Whether a packet holds a reference of its own to `uarg`, rather than one that was handed on to the head of a chain.
#[inline(always)]
fn is_own(skb: impl Struct, uarg: Addr) -> bool {
    skb.addr() != 0 && (offset!(notif_head) == MISSING || skb::has_had(skb.addr(), uarg))
}

#[inline(always)]
fn on_put(ctx: &impl Place, skb: impl Struct, uarg: Addr, success: bool) -> Option<()> {
    let record = uarg::request(uarg)?;
    let packet = skb.addr();
    if is_own(skb, uarg) {
        if success {
            record.flags |= UargFlags::USED;
        } else {
            let first = record.settled == 0;
            note_copy::<Requests>(ctx, cpu::window()?, (uarg, skb), record, first);
        }
    }
    if uarg::refs(uarg) == 1 {
        end(uarg, Told::by(uarg).after(success, packet));
    }
    Some(())
}

/// A linked request that has gone lets go of its head.
#[inline(always)]
fn on_exit(uarg: Addr) -> Option<()> {
    let head = head(uarg);
    on_exit_of(uarg);
    if head == uarg { None } else { on_exit_of(head) }
}

#[inline(always)]
fn on_exit_of(uarg: Addr) -> Option<()> {
    uarg::request(uarg)?;
    if uarg::refs(uarg) == 0 {
        end(uarg, Told::by(uarg));
    }
    Some(())
}

#[inline(always)]
fn on_flush(notif: Addr) -> Option<()> {
    let uarg = uarg_of(notif);
    uarg::request(uarg)?;
    if uarg::refs(uarg) == 1 {
        end(uarg, Told::by(uarg));
    }
    Some(())
}

#[fentry]
fn io_send_fentry(ctx: FEntryContext) -> Option<()> {
    on_send(ctx.arg(0))
}

#[fentry]
fn io_sendmsg_fentry(ctx: FEntryContext) -> Option<()> {
    on_send(ctx.arg(0))
}

#[kprobe]
fn io_send_kprobe(ctx: ProbeContext) -> Option<()> {
    on_send(ctx.arg(0)?)
}

#[fexit]
fn io_send_fexit(ctx: FExitContext) -> Option<()> {
    on_sent(ctx.arg(0), ctx.arg(1), ctx.arg(2))
}

#[fexit]
fn io_sendmsg_fexit(ctx: FExitContext) -> Option<()> {
    on_sent(ctx.arg(0), ctx.arg(1), ctx.arg(2))
}

#[fexit]
fn io_prep_fexit(ctx: FExitContext) -> Option<()> {
    on_prepared(ctx.arg(0), ctx.arg(2))
}

#[fexit]
fn io_link_fexit(ctx: FExitContext) -> Option<()> {
    if ctx.arg::<i32>(2) != 0 {
        return None;
    }
    on_link(Typed(ctx.arg(0)), ctx.arg(1))
}

#[fentry]
fn io_put_fentry(ctx: FEntryContext) -> Option<()> {
    on_put(&ctx, Typed(ctx.arg(0)), ctx.arg(1), ctx.arg::<u8>(2) != 0)
}

#[fexit]
fn io_put_fexit(ctx: FExitContext) -> Option<()> {
    on_exit(ctx.arg(1))
}

#[kprobe]
fn io_put_kprobe(ctx: ProbeContext) -> Option<()> {
    let uarg = ctx.arg(1)?;
    cpu::window()?.put_uarg = uarg;
    on_put(&ctx, ctx.arg::<Addr>(0)?, uarg, ctx.arg::<u8>(2)? != 0)
}

#[kretprobe]
fn io_put_kretprobe(_ctx: RetProbeContext) -> Option<()> {
    on_exit(cpu::window()?.put_uarg)
}

#[fentry]
fn io_flush_fentry(ctx: FEntryContext) -> Option<()> {
    on_flush(ctx.arg(0))
}

#[fexit]
fn io_flush_fexit(ctx: FExitContext) -> Option<()> {
    on_exit(uarg_of(ctx.arg(0)))
}

#[kprobe]
fn io_flush_kprobe(ctx: ProbeContext) -> Option<()> {
    let notif = ctx.arg(0)?;
    cpu::window()?.put_uarg = uarg_of(notif);
    on_flush(notif)
}
