//! The causes of copies, one file each: how it is recognised, the sentence for the user, the remedies.
//!
//! A further cause is a new file and a line in [`CAUSES`]. The first that recognises a copy wins;
//! [`unknown`] takes the rest.

mod driver_linearize;
mod filter_pull;
mod generic_xdp;
mod ip_fragment;
mod ipsec;
mod local_delivery;
mod mcast_loop;
mod mirred_ingress;
mod native_xdp;
mod netem_corrupt;
mod nfqueue;
mod no_sg;
mod ovs_upcall;
mod rx_forward;
mod sw_checksum;
mod sw_gso_no_csum;
mod tap_rx;
mod tap_tx;
mod tun;
mod tx_timestamp;
mod uarg_conflict;
mod unknown;
mod upfront_cork;
mod upfront_dev;
mod upfront_frag;
mod upfront_ipsec;
mod upfront_tcp;
mod upfront_vsock;
mod wireguard;

use zcdiag_wire::SiteKind;

use crate::{
    kernel::symbols::base_name,
    model::{
        report::{DeviceId, Sender},
        tap::JudgedTap,
    },
};

/// A cause of copies.
pub struct Cause {
    /// Its name in every output.
    pub name: &'static str,
    /// A few words, to follow "copied:".
    pub summary: &'static str,
    /// What it means: for the manual.
    pub meaning: &'static str,
    /// How to see it without zcdiag.
    pub by_hand: &'static [&'static str],
    /// Copies that have this cause.
    pub examples: &'static [Example],
    /// Which packet sockets are to blame.
    pub blames: Blame,
    /// Whether a copy has this cause.
    pub recognises: fn(&Evidence<'_>) -> bool,
    /// What happened, in sentences.
    explanation: Explanation,
    /// What to do about it, best first.
    remedies: Remedies,
}

/// Sentences about what happened.
enum Explanation {
    /// The same for every case, but for the name of the device, which stands for `{device}`.
    Fixed(&'static str),
    /// Made for the case.
    Made(fn(&Case<'_>) -> String),
}

/// What to do, best first.
enum Remedies {
    /// The same for every case.
    Fixed(&'static [&'static str]),
    /// Made for the case.
    Made {
        /// Makes them.
        make: fn(&Case<'_>) -> Vec<String>,
        /// Without a case, for the manual.
        in_general: &'static [&'static str],
    },
}

impl Cause {
    /// What happened in this case, in sentences.
    pub fn explain(&self, case: &Case<'_>) -> String {
        match self.explanation {
            Explanation::Fixed(text) => text.replace("{device}", case.device_name()),
            Explanation::Made(explain) => explain(case),
        }
    }

    /// What to do about it, best first.
    pub fn remedies(&self, case: &Case<'_>) -> Vec<String> {
        match self.remedies {
            Remedies::Fixed(remedies) => remedies.iter().map(|remedy| (*remedy).to_owned()).collect(),
            Remedies::Made { make, .. } => make(case),
        }
    }

    /// What to do about it in general, best first.
    pub fn general_remedies(&self) -> &'static [&'static str] {
        match self.remedies {
            Remedies::Fixed(remedies) | Remedies::Made { in_general: remedies, .. } => remedies,
        }
    }
}

/// For causes that a device's offloads would cure.
const TURN_ON_OFFLOADS: &str = "see `ethtool -k DEV` and turn offloads on: `ethtool -K DEV tx on sg on`; on a vlan or \
                                bond also on the upper device";

/// The packet sockets that have a part in a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// None.
    Nobody,
    /// Those that see packets leave the device.
    Outgoing,
    /// Those that see packets come in through the device.
    Incoming,
}

/// In the order in which they are asked.
pub const CAUSES: &[&Cause] = &[
    &tap_tx::CAUSE,
    &tap_rx::CAUSE,
    &mirred_ingress::CAUSE,
    &mcast_loop::CAUSE,
    &rx_forward::CAUSE,
    &local_delivery::CAUSE,
    &tun::CAUSE,
    &tx_timestamp::CAUSE,
    &uarg_conflict::CAUSE,
    &netem_corrupt::CAUSE,
    &nfqueue::CAUSE,
    &ovs_upcall::CAUSE,
    &wireguard::CAUSE,
    &ipsec::CAUSE,
    &generic_xdp::CAUSE,
    &native_xdp::CAUSE,
    &ip_fragment::CAUSE,
    &sw_checksum::CAUSE,
    &sw_gso_no_csum::CAUSE,
    &no_sg::CAUSE,
    &driver_linearize::CAUSE,
    &filter_pull::CAUSE,
    &upfront_frag::CAUSE,
    &upfront_cork::CAUSE,
    &upfront_dev::CAUSE,
    &upfront_ipsec::CAUSE,
    &upfront_tcp::CAUSE,
    &upfront_vsock::CAUSE,
    &unknown::CAUSE,
];

/// `IPPROTO_TCP`
const TCP: u16 = 6;
/// `IPPROTO_UDP`
const UDP: u16 = 17;
/// `AF_VSOCK`
const VSOCK: u16 = 40;

/// A copy, as the kernel side records it.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// One of [`SiteKind`].
    pub kind: u32,
    /// Address family of the socket.
    pub family: u16,
    /// Its protocol.
    pub protocol: u16,
    /// Functions on the stack, from the copying one on.
    pub stack: &'static [&'static str],
}

impl Example {
    /// A TCP send of which the stack tells.
    const fn on_stack(stack: &'static [&'static str]) -> Self {
        Self { kind: SiteKind::STACK, family: 2, protocol: TCP, stack }
    }

    /// A send of which `kind` tells alone.
    const fn told(kind: u32) -> Self {
        Self { kind, family: 2, protocol: 0, stack: &[] }
    }

    /// A send that the send call itself copied.
    const fn upfront(kind: u32, protocol: u16) -> Self {
        Self { protocol, ..Self::told(kind) }
    }
}

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
const RECEIVE: &str = "__netif_receive_skb_core";

/// What the sentences speak of.
pub struct Case<'a> {
    /// Whose sends.
    pub sender: &'a Sender,
    /// On which device.
    pub device: Option<&'a DeviceId>,
    /// Packet sockets to blame.
    pub taps: &'a [&'a JudgedTap],
    /// One of [`SiteKind`].
    pub kind: u32,
    /// The stack, as in [`Evidence::path`].
    pub path: &'a [&'a str],
}

impl Case<'_> {
    /// The device's name, or words for it.
    pub fn device_name(&self) -> &str {
        self.device.map_or("an unknown device", |device| device.name.as_str())
    }
}

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
const COPIES: &[&str] =
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

/// The cause of a copy.
pub fn classify(evidence: &Evidence<'_>) -> &'static Cause {
    CAUSES.iter().find(|cause| (cause.recognises)(evidence)).copied().unwrap_or(&unknown::CAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_has_its_cause() {
        for cause in CAUSES {
            assert!(!cause.examples.is_empty(), "{}", cause.name);
            for example in cause.examples {
                let Example { kind, family, protocol, stack } = *example;
                let stack: Vec<String> = stack.iter().map(|frame| (*frame).to_owned()).collect();
                let found = classify(&Evidence { kind, family, protocol, path: &copy_path(&stack) });
                assert_eq!(found.name, cause.name, "{example:?}");
            }
        }
    }

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
    fn the_receive_path_is_told_by_where_the_packet_went_next() {
        let path = &["skb_copy_ubufs", "__netif_receive_skb_core", "__netif_receive_skb_one_core"];
        let evidence = Evidence { kind: SiteKind::STACK, family: 2, protocol: TCP, path };
        assert_eq!(classify(&evidence).name, "unknown", "it went nowhere known: no guess");
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = CAUSES.iter().map(|cause| cause.name).collect();
        assert_eq!(names.len(), CAUSES.len());
    }
}
