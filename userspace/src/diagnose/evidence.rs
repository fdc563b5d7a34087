//! What the stack and the kind of a site say of the copy that was made there.

use zcdiag_wire::SiteKind;

/// What is known of the place of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// One of [`SiteKind`].
    pub kind: u32,
    /// Address family of the socket.
    pub family: u16,
    /// Its protocol.
    pub protocol: u16,
    /// Functions on the stack, innermost first, from the copying one on; see [`copy_path`].
    pub path: &'a [&'a str],
}

/// Who gives a reference back without having copied: before 5.12 the only sign of a copy by the send call.
const RELEASES: &[&str] = &[
    "skb_release_data",
    "tcp_sendmsg_locked",
    "__ip_append_data",
    "__ip6_append_data",
    "sock_zerocopy_put_abort",
];

/// How far from the function that copies stands the one that it copies for: software segmentation has five
/// functions of its own in between.
const REACH: usize = 7;

impl Evidence<'_> {
    /// Whether the stack is that of a function that copies the data of packets.
    pub fn copies(&self) -> bool {
        self.path.first().is_some_and(|first| COPIES.contains(first))
    }

    /// Whether the packet was copied by `skb_copy_ubufs()`, called from `caller`.
    pub fn copied_in(&self, caller: &str) -> bool {
        matches!(self.path, ["skb_copy_ubufs", by, ..] if *by == caller)
    }

    /// Whether the packet was copied on the receive path for a socket of this machine, or for whatever comes next.
    pub fn is_receive_copy(&self) -> bool {
        [RECEIVE, "ip_local_deliver_finish", "ip6_input_finish"].iter().any(|caller| self.copied_in(caller))
    }

    /// The callers of `__pskb_pull_tail()`, which gathers a packet into one piece; empty if it was not that.
    pub fn pulled_by(&self) -> &[&str] {
        match self.path {
            ["__pskb_pull_tail", callers @ ..] => callers,
            _ => &[],
        }
    }

    /// Whether the packet was gathered, or copied in pieces, for a function that `is_it`.
    pub fn gathered_for(&self, is_it: impl Fn(&str) -> bool) -> bool {
        match self.path {
            ["__pskb_pull_tail" | "skb_segment" | "skb_pp_cow_data", callers @ ..] => {
                callers.iter().take(REACH).any(|function| is_it(function))
            }
            _ => false,
        }
    }

    /// Whether the send call itself has copied, for the reason `kind`.
    pub fn is_upfront(&self, kind: u32) -> bool {
        let released = || self.path.first().is_some_and(|first| RELEASES.contains(first));
        self.kind == kind || kind == SiteKind::UPFRONT && self.kind == SiteKind::STACK && released()
    }
}

/// The function of the receive path that copies for several reasons.
pub(super) const RECEIVE: &str = "__netif_receive_skb_core";

/// Functions that give back a reference to a uarg: below them on the stack stands who copied.
const PUTS: &[&str] = &[
    "msg_zerocopy_complete",
    "msg_zerocopy_callback",
    "sock_zerocopy_put",
    "io_tx_ubuf_complete",
    "io_tx_ubuf_callback",
    "io_tx_ubuf_callback_ext",
    "io_uring_tx_zerocopy_callback",
];
/// The two functions that copy and say so, and those that do not.
pub const COPIES: &[&str] =
    &["skb_copy_ubufs", "__pskb_pull_tail", "skb_segment", "skb_pp_cow_data", "veth_xdp_rcv_skb"];

/// The part of a stack that tells the cause: without BPF programs and trampolines, without the function that
/// the recording program is attached to, and without what the compiler adds to names.
///
/// A function with a program at its exit stands on both sides of a trampoline, which may have no name of its own
/// (`net.core.bpf_jit_harden`) and then seems to be whatever function lies before it in memory.
pub fn copy_path(stack: &[String]) -> Vec<&str> {
    let ours = |name: &&str| name.starts_with("bpf_prog_") || name.starts_with("bpf_trampoline_");
    let mut names: Vec<&str> =
        stack.iter().map(|frame| base_name(frame)).filter(|name| !ours(name)).collect();
    let start = names.iter().position(|name| PUTS.contains(name) || COPIES.contains(name));
    names.drain(..start.unwrap_or(0));
    if names.first().is_some_and(|first| PUTS.contains(first)) {
        names.remove(0);
    }
    let mut index = 0;
    while index < names.len() {
        let twin = (index + 1..names.len().min(index + 3)).find(|other| names[*other] == names[index]);
        if let Some(twin) = twin {
            names.drain(index + 1..=twin);
        }
        index += 1;
    }
    names
}

/// A function's name without what the compiler adds to parts and clones of it (`.constprop.0`, `.isra.0`,
/// `.cold`).
fn base_name(function: &str) -> &str {
    function.split('.').next().unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recording_programs_are_taken_off_a_stack() {
        let stacks: &[&[&str]] = &[
            &[
                "bpf_prog_1_put_fentry",
                "bpf_trampoline_2",
                "msg_zerocopy_callback",
                "skb_copy_ubufs",
                "tun_net_xmit",
            ],
            &[
                "bpf_trampoline_1",
                "msg_zerocopy_callback",
                "skb_copy_ubufs",
                "bpf_trampoline_2",
                "skb_copy_ubufs",
                "tun_net_xmit",
            ],
            &[
                "put",
                "msg_zerocopy_callback",
                "skb_copy_ubufs",
                "some_neighbour",
                "skb_copy_ubufs",
                "tun_net_xmit",
            ],
            &["sock_zerocopy_put", "skb_copy_ubufs", "tun_net_xmit"],
            &["msg_zerocopy_complete", "skb_copy_ubufs", "tun_net_xmit.constprop.0"],
            &["io_tx_ubuf_complete", "skb_copy_ubufs", "tun_net_xmit"],
        ];
        for stack in stacks {
            let stack: Vec<String> = stack.iter().map(|frame| (*frame).to_owned()).collect();
            assert_eq!(copy_path(&stack), ["skb_copy_ubufs", "tun_net_xmit"], "{stack:?}");
        }
    }

    #[test]
    fn suffixes_of_the_compiler_are_dropped() {
        assert_eq!(base_name("__netif_receive_skb_core.constprop.0"), "__netif_receive_skb_core");
        assert_eq!(base_name("skb_copy_ubufs"), "skb_copy_ubufs");
    }
}
