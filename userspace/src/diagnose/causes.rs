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
mod upfront;
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
    Made(fn(&Case<'_>) -> Vec<String>),
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
            Remedies::Made(remedies) => remedies(case),
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
    &ip_fragment::CAUSE,
    &sw_checksum::CAUSE,
    &sw_gso_no_csum::CAUSE,
    &no_sg::CAUSE,
    &driver_linearize::CAUSE,
    &filter_pull::CAUSE,
    &upfront::CAUSE,
    &unknown::CAUSE,
];

/// What is known of the place of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// One of [`SiteKind`].
    pub kind: u32,
    /// Functions on the stack, innermost first, from the copying one on; see [`copy_path`].
    pub path: &'a [&'a str],
}

impl Evidence<'_> {
    /// Whether the packet was copied by `skb_copy_ubufs()`, called from `caller`.
    pub fn copied_in(&self, caller: &str) -> bool {
        matches!(self.path, ["skb_copy_ubufs", by, ..] if *by == caller)
    }

    /// The callers of `__pskb_pull_tail()`, which gathers a packet into one piece; empty if it was not that.
    pub fn pulled_by(&self) -> &[&str] {
        match self.path {
            ["__pskb_pull_tail", callers @ ..] => callers,
            _ => &[],
        }
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
const PUTS: &[&str] = &["msg_zerocopy_complete", "msg_zerocopy_callback", "sock_zerocopy_put"];
/// The two functions that copy.
const COPIES: &[&str] = &["skb_copy_ubufs", "__pskb_pull_tail"];

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

/// Whether there was no copy event at all.
fn no_event(evidence: &Evidence<'_>) -> bool {
    evidence.kind == SiteKind::NONE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause_of(kind: u32, stack: &[&str]) -> &'static str {
        let stack: Vec<String> = stack.iter().map(|frame| (*frame).to_owned()).collect();
        classify(&Evidence { kind, path: &copy_path(&stack) }).name
    }

    #[test]
    fn stacks_as_the_kernels_give_them() {
        let cases: &[(&str, &[&str])] = &[
            (
                "tap_tx",
                &[
                    "bpf_prog_1_put_fentry",
                    "bpf_trampoline_2",
                    "msg_zerocopy_callback",
                    "skb_copy_ubufs",
                    "dev_queue_xmit_nit",
                    "dev_hard_start_xmit",
                ],
            ),
            (
                "tap_tx",
                &[
                    "bpf_trampoline_1",
                    "msg_zerocopy_callback",
                    "skb_copy_ubufs",
                    "bpf_trampoline_2",
                    "skb_copy_ubufs",
                    "dev_queue_xmit_nit",
                    "bpf_trampoline_3",
                    "dev_queue_xmit_nit",
                    "dev_hard_start_xmit",
                ],
            ),
            (
                "tun",
                &[
                    "put",
                    "msg_zerocopy_callback",
                    "skb_copy_ubufs",
                    "some_neighbour",
                    "skb_copy_ubufs",
                    "tun_net_xmit",
                ],
            ),
            ("tap_tx", &["sock_zerocopy_put", "skb_copy_ubufs", "dev_queue_xmit_nit"]),
            ("tap_tx", &["msg_zerocopy_complete", "skb_copy_ubufs", "deliver_skb", "dev_queue_xmit_nit"]),
            (
                "local_delivery",
                &["msg_zerocopy_complete", "skb_copy_ubufs", "ip_local_deliver_finish", "ip_local_deliver"],
            ),
            ("tun", &["msg_zerocopy_complete", "skb_copy_ubufs", "tun_net_xmit", "dev_hard_start_xmit"]),
            ("tx_timestamp", &["msg_zerocopy_complete", "skb_copy_ubufs", "__skb_tstamp_tx", "dummy_xmit"]),
            ("upfront", &["sock_zerocopy_put", "skb_release_data", "consume_skb"]),
            ("upfront", &["sock_zerocopy_put", "tcp_sendmsg_locked", "tcp_sendmsg"]),
            (
                "no_sg",
                &["msg_zerocopy_callback", "__pskb_pull_tail", "validate_xmit_skb", "__dev_queue_xmit"],
            ),
            (
                "sw_checksum",
                &["msg_zerocopy_callback", "__pskb_pull_tail", "skb_checksum_help", "validate_xmit_skb"],
            ),
            ("sw_gso_no_csum", &["sock_zerocopy_put", "__pskb_pull_tail", "skb_segment", "tcp_gso_segment"]),
            (
                "netem_corrupt",
                &["msg_zerocopy_complete", "__pskb_pull_tail", "skb_checksum_help", "netem_enqueue"],
            ),
            ("ipsec", &["msg_zerocopy_complete", "__pskb_pull_tail", "skb_checksum_help", "xfrm_output"]),
            (
                "generic_xdp",
                &["msg_zerocopy_complete", "__pskb_pull_tail", "do_xdp_generic", "netif_rx_internal"],
            ),
            (
                "ip_fragment",
                &["msg_zerocopy_complete", "__pskb_pull_tail", "skb_checksum_help", "ip_do_fragment"],
            ),
            (
                "driver_linearize",
                &["msg_zerocopy_complete", "__pskb_pull_tail", "ena_start_xmit", "dev_hard_start_xmit"],
            ),
            ("uarg_conflict", &["msg_zerocopy_complete", "skb_copy_ubufs", "skb_zerocopy_clone"]),
            ("unknown", &["msg_zerocopy_complete", "__pskb_pull_tail", "some_new_function"]),
            ("unknown", &["msg_zerocopy_complete", "skb_copy_ubufs", "some_new_function"]),
            ("unknown", &[]),
        ];
        for (cause, stack) in cases {
            assert_eq!(cause_of(SiteKind::STACK, stack), *cause, "{stack:?}");
        }
        assert_eq!(cause_of(SiteKind::TAP_TX, &[]), "tap_tx", "the window needs no stack");
        assert_eq!(cause_of(SiteKind::NONE, &[]), "upfront");
    }

    #[test]
    fn the_receive_path_is_told_by_where_the_packet_went_next() {
        let stack =
            &["skb_copy_ubufs", "__netif_receive_skb_core.constprop.0", "__netif_receive_skb_one_core"];
        assert_eq!(cause_of(SiteKind::RX_TAP, stack), "tap_rx");
        assert_eq!(cause_of(SiteKind::RX_LOCAL, stack), "local_delivery");
        assert_eq!(cause_of(SiteKind::RX_FORWARD, stack), "rx_forward");
        assert_eq!(cause_of(SiteKind::STACK, stack), "unknown", "it went nowhere known: no guess");
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = CAUSES.iter().map(|cause| cause.name).collect();
        assert_eq!(names.len(), CAUSES.len());
    }
}
