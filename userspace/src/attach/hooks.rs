//! The hook table: data. What is to be learnt, from which kernel function, through which programs.

use zcdiag_wire::Lost;

use crate::kernel::offsets::words;

/// What a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A zerocopy send begins: who sends.
    Birth,
    /// The same on kernels before 5.12.
    OldBirth,
    /// A reference to a send goes: with or without a copy, and is it the last.
    Put,
    /// The last reference goes, where the kernel has a function for that.
    End,
    /// A send fails after its uarg was made.
    Abort,
    /// Like [`Role::Put`] on kernels before 5.12.
    OldPut,
    /// The last reference, on kernels before 5.12.
    OldEnd,
    /// Data is copied: cost and device.
    Copy,
    /// A packet is dropped: with data of a zerocopy send, or right after it was copied on the receive path.
    Drop,
    /// Where a copied packet goes next on the receive path.
    Next,
    /// A packet socket is given a packet.
    Tap,
    /// A packet socket is opened or closed.
    TapLife,
    /// Which packet lets go of a uarg, on kernels before 5.12.
    OldPacket,
    /// Data is copied, and the send reported zero-copy all the same.
    Hidden,
    /// tc mirred takes a packet.
    Mirred,
    /// A send call returns.
    Sent,
    /// A send call of MPTCP begins, which has no zero copy.
    Mptcp,
    /// A send call on a vsock begins and returns.
    Vsock,
    /// A zerocopy send of io_uring begins.
    IoBirth,
    /// What a request of io_uring returns.
    IoSent,
    /// A request of io_uring is refused before it is carried out.
    IoPrepared,
    /// Data of a request of io_uring goes into a packet.
    IoLink,
    /// Like [`Role::Put`] for io_uring.
    IoPut,
}

/// What a hook is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing works without it.
    Essential,
    /// What is lost without it.
    Useful(&'static str),
    /// A kernel without the function does not do what the hook is for, so nothing is lost; the words say what is
    /// if it cannot be attached.
    WhereThere(&'static str),
}

impl Role {
    /// Whether its functions run for packets and sends of everybody, and tell nothing while nobody sends with zero
    /// copy.
    pub fn is_for_everybody(self) -> bool {
        matches!(self, Self::Next | Self::Tap | Self::Hidden | Self::Sent | Self::Drop)
    }
}

impl Need {
    /// What is lost without the hook; `None` if nothing works then.
    pub fn lost(self) -> Option<&'static str> {
        match self {
            Self::Essential => None,
            Self::Useful(lost) | Self::WhereThere(lost) => Some(lost),
        }
    }
}

/// One row: the first of `functions` that the kernel has is hooked.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// What it is for.
    pub role: Role,
    /// Names of the kernel function, newest first; of a tracepoint.
    pub functions: &'static [&'static str],
    /// Program at the function's entry.
    pub entry: Option<Doors>,
    /// Program at its exit.
    pub exit: Option<Doors>,
    /// The function runs in the task that sends, which may be preempted in the middle of it.
    pub in_task: bool,
    /// The name is that of a tracepoint, which every kernel has. The programs of its entry are the one to use, and the one
    /// to use where that is refused.
    pub is_tracepoint: bool,
    /// The module that the functions are in where they are not in the kernel itself: there they can only be probed, and
    /// only once it is loaded.
    pub module: Option<&'static str>,
    /// Not needed where the kernel has this function.
    pub unless: Option<&'static str>,
    /// What it is worth.
    pub need: Need,
}

/// The same handler, behind a BPF trampoline and behind a probe.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// fentry or fexit program. `{n}` stands for the number of the function's parameters.
    pub trampoline: Option<&'static str>,
    /// kprobe or kretprobe program.
    pub probe: Option<&'static str>,
}

const fn doors(trampoline: &'static str, probe: &'static str) -> Doors {
    Doors { trampoline: Some(trampoline), probe: Some(probe) }
}

/// For a handler that needs what a trampoline does not give: registers, or an argument that is a pointer to a
/// pointer.
const fn probe_only(probe: &'static str) -> Doors {
    Doors { trampoline: None, probe: Some(probe) }
}

/// For a handler at the exit that needs the function's arguments, which a probe has lost by then.
const fn trampoline_only(trampoline: &'static str) -> Doors {
    Doors { trampoline: Some(trampoline), probe: None }
}

/// What the rows below leave out.
const HOOK: Hook = Hook {
    role: Role::Next,
    functions: &[],
    entry: None,
    exit: None,
    in_task: false,
    is_tracepoint: false,
    module: None,
    unless: None,
    need: Need::Essential,
};

const fn next(functions: &'static [&'static str], trampoline: &'static str, probe: &'static str) -> Hook {
    Hook {
        functions,
        entry: Some(doors(trampoline, probe)),
        need: Need::Useful("why packets were copied on the receive path"),
        ..HOOK
    }
}

const fn tap(functions: &'static [&'static str], trampoline: &'static str, probe: &'static str) -> Hook {
    Hook {
        role: Role::Tap,
        module: Some("af_packet"),
        need: Need::Useful(
            "which packet sockets were given copied packets, and why packets were copied on the receive path",
        ),
        ..next(functions, trampoline, probe)
    }
}

const fn tap_life(functions: &'static [&'static str], trampoline: &'static str, probe: &'static str) -> Hook {
    Hook {
        role: Role::TapLife,
        module: Some("af_packet"),
        need: Need::Useful("who held packet sockets that were open for a short time only, and when"),
        ..next(functions, trampoline, probe)
    }
}

const fn sent(functions: &'static [&'static str], trampoline: &'static str) -> Hook {
    Hook {
        role: Role::Sent,
        functions,
        exit: Some(trampoline_only(trampoline)),
        in_task: true,
        need: Need::Useful(words(Lost::Results)),
        ..HOOK
    }
}

const fn io_uring(role: Role, functions: &'static [&'static str], entry: Option<Doors>) -> Hook {
    Hook { role, functions, entry, in_task: true, need: Need::WhereThere(words(Lost::IoUring)), ..HOOK }
}

/// What a request of io_uring returns is seen at the exit only, with its arguments.
const fn io_uring_exit(
    role: Role,
    functions: &'static [&'static str],
    trampoline: &'static str,
    lost: &'static str,
) -> Hook {
    Hook {
        exit: Some(trampoline_only(trampoline)),
        need: Need::WhereThere(lost),
        ..io_uring(role, functions, None)
    }
}

const IO_RESULTS: &str = words(Lost::IoUringResults);

const HIDDEN: &str = "copies that the kernel does not report";

/// All hooks. Prototypes (`net/core/skbuff.c`, `net/core/dev.c`):
/// - `struct ubuf_info *msg_zerocopy_realloc(sk, size, uarg[, devmem])`, before 5.12 `sock_zerocopy_realloc`
/// - `void msg_zerocopy_complete(skb, uarg, success)`, 6.10 and later
/// - `void msg_zerocopy_callback(skb, uarg, success)`, 5.12 to 6.9
/// - `void __msg_zerocopy_callback(uarg)`, 5.12 and later, where it is not inlined
/// - `void msg_zerocopy_put_abort(uarg, have_uref)`
/// - `void sock_zerocopy_put(uarg)`, `void sock_zerocopy_callback(uarg, success)`, before 5.12
/// - `int skb_copy_ubufs(skb, gfp_mask)`
/// - `int packet_rcv(skb, dev, pt, orig_dev)`, `tpacket_rcv`, `packet_rcv_spkt`, `packet_rcv_fanout`,
///   `int packet_create(net, sock, protocol, kern)`, `int packet_release(sock)` (`net/packet/af_packet.c`)
/// - tracepoint `kfree_skb(skb, location[, reason[, rx_sk]])` (`include/trace/events/skb.h`), the reason from 5.17 on
/// - `int ip_local_deliver(skb)`, `ip6_input(skb)`, `ip_forward(skb)`, `ip6_forward(skb)`
/// - `struct sk_buff *skb_segment(skb, features)`, `int skb_pp_cow_data(pool, &skb, headroom)` (6.7 and later)
/// - `veth_xdp_rcv_skb(rq, skb, ..)` (`drivers/net/veth.c`), `int tcf_mirred_act(skb, action, ..)`
///   (`net/sched/act_mirred.c`)
/// - `int inet_sendmsg(sock, msg, size)`, `inet6_sendmsg` (`net/ipv4/af_inet.c`), `int mptcp_sendmsg(sk, msg, len)`
///   (`net/mptcp/protocol.c`), `int vsock_connectible_sendmsg(sock, msg, len)` (`net/vmw_vsock/af_vsock.c`)
/// - `int io_send_zc(req, issue_flags)`, `io_sendmsg_zc`, `int io_send_zc_prep(req, sqe)` (`io_uring/net.c`);
///   `int io_link_skb(skb, uarg)`, 6.10 and later;
///   `void io_tx_ubuf_complete(skb, uarg, success)` and its older names, `void io_notif_flush(notif)`
///   (`io_uring/notif.c`)
pub const HOOKS: &[Hook] = &[
    Hook {
        role: Role::Put,
        functions: &["msg_zerocopy_complete", "msg_zerocopy_callback"],
        entry: Some(doors("put_fentry", "put_kprobe")),
        exit: Some(doors("put_fexit", "put_kretprobe")),
        in_task: true,
        ..HOOK
    },
    Hook {
        role: Role::End,
        functions: &["__msg_zerocopy_callback"],
        entry: Some(doors("end_fentry", "end_kprobe")),
        in_task: true,
        ..HOOK
    },
    Hook {
        role: Role::OldPut,
        functions: &["sock_zerocopy_put"],
        entry: Some(doors("old_put_fentry", "old_put_kprobe")),
        in_task: true,
        ..HOOK
    },
    // It runs before the one that uses what it finds: a probe before a trampoline, and the last of probes first.
    Hook {
        role: Role::OldPacket,
        functions: &["sock_zerocopy_put"],
        entry: Some(probe_only("old_packet_kprobe")),
        need: Need::Useful(
            "the device of packets that were gathered, and why send calls copied by themselves",
        ),
        ..HOOK
    },
    Hook {
        role: Role::OldEnd,
        functions: &["sock_zerocopy_callback"],
        entry: Some(doors("old_end_fentry", "old_end_kprobe")),
        in_task: true,
        ..HOOK
    },
    Hook {
        role: Role::Abort,
        functions: &["msg_zerocopy_put_abort"],
        entry: Some(doors("abort_fentry", "abort_kprobe")),
        exit: Some(doors("abort_fexit", "put_kretprobe")),
        in_task: true,
        need: Need::Useful("a send merged with one that failed may not be counted"),
        ..HOOK
    },
    Hook {
        role: Role::Copy,
        functions: &["skb_copy_ubufs"],
        entry: Some(doors("copy_fentry", "copy_kprobe")),
        exit: Some(doors("copy_fexit", "copy_kretprobe")),
        need: Need::Useful("the cost of copies"),
        ..HOOK
    },
    Hook {
        role: Role::Drop,
        functions: &["kfree_skb"],
        entry: Some(doors("drop_tracepoint", "old_drop_tracepoint")),
        is_tracepoint: true,
        need: Need::Useful("packets of zerocopy sends that the kernel dropped, and why"),
        ..HOOK
    },
    tap(&["packet_rcv"], "packet_rcv_fentry", "packet_rcv_kprobe"),
    tap(&["tpacket_rcv"], "tpacket_rcv_fentry", "tpacket_rcv_kprobe"),
    tap(&["packet_rcv_spkt"], "packet_rcv_spkt_fentry", "packet_rcv_kprobe"),
    tap(&["packet_rcv_fanout"], "packet_rcv_fanout_fentry", "packet_rcv_fanout_kprobe"),
    tap_life(&["packet_create"], "packet_create_fentry", "packet_create_kprobe"),
    tap_life(&["packet_release"], "packet_release_fentry", "packet_release_kprobe"),
    next(&["ip_local_deliver"], "ip_local_deliver_fentry", "next_local_kprobe"),
    next(&["ip6_input"], "ip6_input_fentry", "next_local_kprobe"),
    next(&["ip_forward"], "ip_forward_fentry", "next_forward_kprobe"),
    next(&["ip6_forward"], "ip6_forward_fentry", "next_forward_kprobe"),
    Hook {
        role: Role::Mirred,
        functions: &["tcf_mirred_act"],
        entry: Some(probe_only("mirred_kprobe")),
        module: Some("act_mirred"),
        need: Need::WhereThere("copies that tc mirred causes"),
        ..HOOK
    },
    Hook {
        role: Role::Hidden,
        functions: &["skb_segment"],
        entry: Some(doors("segment_fentry", "segment_kprobe")),
        need: Need::Useful(HIDDEN),
        ..HOOK
    },
    Hook {
        role: Role::Hidden,
        functions: &["skb_pp_cow_data"],
        entry: Some(doors("cow_fentry", "cow_kprobe")),
        need: Need::WhereThere(HIDDEN),
        ..HOOK
    },
    Hook {
        role: Role::Hidden,
        functions: &["veth_xdp_rcv_skb"],
        entry: Some(probe_only("veth_xdp_kprobe")),
        module: Some("veth"),
        unless: Some("skb_pp_cow_data"),
        need: Need::WhereThere(HIDDEN),
        ..HOOK
    },
    sent(&["inet_sendmsg"], "inet_sendmsg_fexit"),
    // Before 5.3 IPv6 goes through inet_sendmsg, too.
    Hook {
        need: Need::WhereThere("sends over IPv6 that failed or were not zero-copy at all"),
        ..sent(&["inet6_sendmsg"], "inet6_sendmsg_fexit")
    },
    Hook {
        role: Role::Mptcp,
        functions: &["mptcp_sendmsg"],
        entry: Some(doors("mptcp_sendmsg_fentry", "mptcp_sendmsg_kprobe")),
        in_task: true,
        need: Need::WhereThere("sends with MSG_ZEROCOPY on sockets of MPTCP, which has no zero copy"),
        ..HOOK
    },
    Hook {
        role: Role::Vsock,
        functions: &["vsock_connectible_sendmsg"],
        entry: Some(probe_only("vsock_sendmsg_kprobe")),
        exit: Some(probe_only("vsock_sendmsg_kretprobe")),
        in_task: true,
        module: Some("vsock"),
        need: Need::WhereThere("sends over vsock that failed or were not zero-copy at all"),
        ..HOOK
    },
    Hook {
        exit: Some(doors("io_put_fexit", "io_put_kretprobe")),
        ..io_uring(
            Role::IoPut,
            &["io_tx_ubuf_complete", "io_tx_ubuf_callback", "io_uring_tx_zerocopy_callback"],
            Some(doors("io_put_fentry", "io_put_kprobe")),
        )
    },
    Hook {
        unless: Some("io_tx_ubuf_complete"),
        exit: Some(doors("io_flush_fexit", "io_put_kretprobe")),
        ..io_uring(Role::IoPut, &["io_notif_flush"], Some(doors("io_flush_fentry", "io_flush_kprobe")))
    },
    io_uring_exit(Role::IoSent, &["io_send_zc"], "io_send_fexit", IO_RESULTS),
    io_uring_exit(Role::IoSent, &["io_sendmsg_zc"], "io_sendmsg_fexit", IO_RESULTS),
    io_uring_exit(
        Role::IoPrepared,
        &["io_send_zc_prep"],
        "io_prep_fexit",
        "sends of io_uring that are refused at once",
    ),
    io_uring_exit(
        Role::IoLink,
        &["io_link_skb"],
        "io_link_fexit",
        "which packets the data of io_uring's sends went into, where several share one",
    ),
    // Last: nothing is followed before the programs that see its end are in place.
    io_uring(Role::IoBirth, &["io_send_zc"], Some(doors("io_send_fentry", "io_send_kprobe"))),
    io_uring(Role::IoBirth, &["io_sendmsg_zc"], Some(doors("io_sendmsg_fentry", "io_send_kprobe"))),
    Hook {
        role: Role::OldBirth,
        functions: &["sock_zerocopy_realloc"],
        exit: Some(doors("old_birth_fexit", "old_birth_kretprobe")),
        in_task: true,
        ..HOOK
    },
    Hook {
        role: Role::Birth,
        functions: &["msg_zerocopy_realloc"],
        exit: Some(doors("birth_fexit{n}", "birth_kretprobe")),
        in_task: true,
        ..HOOK
    },
];

/// Every function named in the table.
pub fn functions() -> impl Iterator<Item = &'static str> {
    HOOKS.iter().flat_map(|hook| hook.functions.iter().chain(hook.unless.as_ref()).copied())
}
