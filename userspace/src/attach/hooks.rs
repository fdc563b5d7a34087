//! The hook table: data. What is to be learnt, from which kernel function, through which programs.

/// What a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A zerocopy send begins: who sends.
    Birth,
    /// A reference to a send goes: with or without a copy, and is it the last.
    Put,
    /// A send fails after its uarg was made.
    Abort,
    /// Like [`Role::Put`] on kernels before 5.12.
    OldPut,
    /// The last reference, on kernels before 5.12.
    OldEnd,
    /// Data is copied: cost and device.
    Copy,
    /// A packet goes to packet sockets.
    Nit,
    /// Where a copied packet goes next on the receive path.
    Next,
}

/// One row: the first of `functions` that the kernel has is hooked.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// What it is for.
    pub role: Role,
    /// Names of the kernel function, newest first.
    pub functions: &'static [&'static str],
    /// Program at the function's entry.
    pub entry: Option<Doors>,
    /// Program at its exit.
    pub exit: Option<Doors>,
    /// The function runs in the task that sends, which may be preempted in the middle of it.
    pub in_task: bool,
    /// What is lost when it cannot be had; `None` where nothing works without it.
    pub lost: Option<&'static str>,
}

/// The same handler, behind a BPF trampoline and behind a probe.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// fentry or fexit program. `{n}` stands for the number of the function's parameters.
    pub trampoline: &'static str,
    /// kprobe or kretprobe program.
    pub probe: &'static str,
}

const fn doors(trampoline: &'static str, probe: &'static str) -> Doors {
    Doors { trampoline, probe }
}

const fn next(functions: &'static [&'static str], trampoline: &'static str, probe: &'static str) -> Hook {
    Hook {
        role: Role::Next,
        functions,
        entry: Some(doors(trampoline, probe)),
        exit: None,
        in_task: false,
        lost: Some("why packets were copied on the receive path"),
    }
}

/// All hooks. Prototypes (`net/core/skbuff.c`, `net/core/dev.c`):
/// - `struct ubuf_info *msg_zerocopy_realloc(sk, size, uarg[, devmem])`
/// - `void msg_zerocopy_complete(skb, uarg, success)`, 6.10 and later
/// - `void msg_zerocopy_callback(skb, uarg, success)`, 5.12 to 6.9
/// - `void msg_zerocopy_put_abort(uarg, have_uref)`
/// - `void sock_zerocopy_put(uarg)`, `void sock_zerocopy_callback(uarg, success)`, before 5.12
/// - `int skb_copy_ubufs(skb, gfp_mask)`
/// - `void dev_queue_xmit_nit(skb, dev)`
/// - `int packet_rcv(skb, ..)`, `tpacket_rcv`, `packet_rcv_fanout` (`net/packet/af_packet.c`)
/// - `int ip_local_deliver(skb)`, `ip6_input(skb)`, `ip_forward(skb)`, `ip6_forward(skb)`
pub const HOOKS: &[Hook] = &[
    Hook {
        role: Role::Put,
        functions: &["msg_zerocopy_complete", "msg_zerocopy_callback"],
        entry: Some(doors("put_fentry", "put_kprobe")),
        exit: Some(doors("put_fexit", "put_kretprobe")),
        in_task: true,
        lost: None,
    },
    Hook {
        role: Role::OldPut,
        functions: &["sock_zerocopy_put"],
        entry: Some(doors("old_put_fentry", "old_put_kprobe")),
        exit: None,
        in_task: true,
        lost: None,
    },
    Hook {
        role: Role::OldEnd,
        functions: &["sock_zerocopy_callback"],
        entry: Some(doors("old_end_fentry", "old_end_kprobe")),
        exit: None,
        in_task: true,
        lost: None,
    },
    Hook {
        role: Role::Abort,
        functions: &["msg_zerocopy_put_abort"],
        entry: Some(doors("abort_fentry", "abort_kprobe")),
        exit: Some(doors("abort_fexit", "put_kretprobe")),
        in_task: true,
        lost: Some("a send merged with one that failed may not be counted"),
    },
    Hook {
        role: Role::Copy,
        functions: &["skb_copy_ubufs"],
        entry: Some(doors("copy_fentry", "copy_kprobe")),
        exit: Some(doors("copy_fexit", "copy_kretprobe")),
        in_task: false,
        lost: Some("the cost of copies"),
    },
    Hook {
        role: Role::Nit,
        functions: &["dev_queue_xmit_nit"],
        entry: Some(doors("nit_fentry", "nit_kprobe")),
        exit: Some(doors("nit_fexit", "nit_kretprobe")),
        in_task: false,
        lost: Some("the short way to recognise taps; the stack of each copy is walked instead"),
    },
    next(&["packet_rcv"], "packet_rcv_fentry", "next_tap_kprobe"),
    next(&["tpacket_rcv"], "tpacket_rcv_fentry", "next_tap_kprobe"),
    next(&["packet_rcv_fanout"], "packet_rcv_fanout_fentry", "next_tap_kprobe"),
    next(&["ip_local_deliver"], "ip_local_deliver_fentry", "next_local_kprobe"),
    next(&["ip6_input"], "ip6_input_fentry", "next_local_kprobe"),
    next(&["ip_forward"], "ip_forward_fentry", "next_forward_kprobe"),
    next(&["ip6_forward"], "ip6_forward_fentry", "next_forward_kprobe"),
    // Last: nothing is followed before the programs that see its end are in place.
    Hook {
        role: Role::Birth,
        functions: &["msg_zerocopy_realloc", "sock_zerocopy_realloc"],
        entry: None,
        exit: Some(doors("birth_fexit{n}", "birth_kretprobe")),
        in_task: true,
        lost: None,
    },
];

/// Every function named in the table.
pub fn functions() -> impl Iterator<Item = &'static str> {
    HOOKS.iter().flat_map(|hook| hook.functions.iter().copied())
}
