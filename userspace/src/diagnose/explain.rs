//! Stacks that somebody else has printed, by the same rules as those of a watch. A stack alone has neither a device nor
//! where the packet went next: what takes more than it is said to take more.

use std::{cmp::Reverse, collections::BTreeMap};

use zcdiag_wire::SiteKind;

use super::{
    causes::{classify, of},
    evidence::{Evidence, RECEIVE, copy_path},
    printed::Printed,
};
use crate::model::{
    cause::CauseId,
    explained::{Explained, ExplainedStack, Told},
    kernel::routes_zerocopy,
    socket::{INET, INET6, TCP, UDP},
};

/// What a copy can turn out to be that is made where a packet comes in, by where it goes next.
const COME_IN: &[u32] = &[
    SiteKind::RX_TAP,
    SiteKind::RX_LOCAL,
    SiteKind::RX_FORWARD,
    SiteKind::RX_DROPPED,
    SiteKind::RX_LOOPED,
    SiteKind::RX_BROADCAST,
    SiteKind::RX_MIRRED,
];
/// The same where it is already known to be for this machine (6.17 and later).
const FOR_US: &[u32] =
    &[SiteKind::RX_LOCAL, SiteKind::RX_LOOPED, SiteKind::RX_BROADCAST, SiteKind::RX_MIRRED];

/// What the stacks say; `release` is the kernel that they are of, if that is known.
pub fn explain(stacks: &[Printed], release: Option<&str>) -> Explained {
    let mut counts: BTreeMap<(Vec<String>, Told), Option<u64>> = BTreeMap::new();
    for stack in stacks {
        counts
            .entry(one(&stack.frames, release))
            .and_modify(|count| {
                let more = stack.count.or(count.and(Some(1)));
                *count = more.map(|more| count.unwrap_or(1).saturating_add(more));
            })
            .or_insert(stack.count);
    }
    let mut stacks: Vec<ExplainedStack> =
        counts.into_iter().map(|((frames, told), copies)| ExplainedStack { copies, frames, told }).collect();
    // A single word is no stack, and beside one that copies the others are of no interest.
    let copies = stacks.iter().any(|stack| stack.told != Told::NoCopy);
    stacks.retain(|stack| stack.told != Told::NoCopy || !copies && stack.frames.len() > 1);
    stacks.sort_by_key(|stack| Reverse(stack.copies));
    let mut causes = Vec::new();
    for cause in stacks.iter().flat_map(|stack| stack.told.causes()) {
        if !causes.contains(cause) {
            causes.push(*cause);
        }
    }
    Explained { stacks, causes: causes.into_iter().map(|cause| of(cause).manual()).collect() }
}

/// The part of a stack that tells, and what it tells.
fn one(frames: &[String], release: Option<&str>) -> (Vec<String>, Told) {
    // Printed with the outermost function first, it has what copies at its end.
    let turned: Vec<String>;
    let mut path = copy_path(frames);
    if path.len() == 1 && frames.len() > 1 {
        turned = frames.iter().rev().cloned().collect();
        path = copy_path(&turned);
    }
    let mut evidence =
        Evidence { kind: SiteKind::STACK, family: family(frames), protocol: protocol(frames), path: &path };
    if !evidence.copies() {
        return (frames.to_vec(), Told::NoCopy);
    }
    let kinds = match () {
        () if evidence.copied_in(RECEIVE) => COME_IN,
        () if evidence.is_receive_copy() => FOR_US,
        () => &[SiteKind::STACK],
    };
    let routed_on = release.and_then(routes_zerocopy) != Some(true);
    let mut causes = Vec::new();
    for kind in kinds.iter().filter(|kind| **kind != SiteKind::RX_FORWARD || routed_on) {
        evidence.kind = *kind;
        let cause = classify(&evidence).id;
        if cause != CauseId::Unknown && !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    let told = match causes[..] {
        [] if path.len() == 1 => Told::CutShort,
        [] => Told::Unknown,
        [cause] => Told::Cause(cause),
        _ => Told::OneOf(causes),
    };
    (path.iter().map(|frame| (*frame).to_owned()).collect(), told)
}

fn has(frames: &[String], starts: &[&str]) -> bool {
    frames.iter().any(|frame| starts.iter().any(|start| frame.starts_with(start)))
}

fn family(frames: &[String]) -> u16 {
    if has(frames, &["ip6_", "udpv6_", "inet6_", "__ip6_", "ipv6_"]) { INET6 } else { INET }
}

/// As far as the stack shows it, else 0.
fn protocol(frames: &[String]) -> u16 {
    if has(frames, &["tcp_sendmsg", "tcp_write_xmit", "__tcp_transmit_skb", "tcp_push"]) {
        TCP
    } else if has(frames, &["udp_sendmsg", "udpv6_sendmsg", "udp_send_skb"]) {
        UDP
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{causes::CAUSES, printed};

    #[track_caller]
    fn told(text: &str, release: Option<&str>) -> Told {
        let explained = explain(&printed::stacks(text), release);
        let [stack] = &explained.stacks[..] else { panic!("one stack: {explained:?}") };
        stack.told.clone()
    }

    /// What somebody saw with `kretfunc:skb_copy_ubufs` on 4.18, from which this project began.
    #[test]
    fn the_first_stack_of_all_is_a_tap() {
        let text = "
            bpf_get_stackid_raw_tp+112
            bpf_prog_ba1a28e1c5dd1e5a+117
            bpf_trampoline_6442505669_0+82
            skb_copy_ubufs+5
            dev_queue_xmit_nit+654
            dev_hard_start_xmit+106
            __dev_queue_xmit+1990
            ip_finish_output2+729
            ip_output+112
            __ip_queue_xmit+349
            __tcp_transmit_skb+1380
            tcp_write_xmit+951
            tcp_sendmsg_locked+2934
            tcp_sendmsg+39
            sock_sendmsg+54
            __x64_sys_sendto+36
            do_syscall_64+91
            entry_SYSCALL_64_after_hwframe+101
        ";
        assert_eq!(told(text, Some("4.18.0-553.el8.x86_64")), Told::Cause(CauseId::TapTx));
    }

    #[test]
    fn a_copy_on_the_receive_path_is_one_of_several() {
        let stack =
            "skb_copy_ubufs < __netif_receive_skb_core < __netif_receive_skb_one_core < process_backlog";
        let Told::OneOf(causes) = told(stack, None) else { panic!("not one of several") };
        assert!(causes.contains(&CauseId::LocalDelivery) && causes.contains(&CauseId::TapRx), "{causes:?}");
        assert!(causes.contains(&CauseId::RxForward), "{causes:?}");
        let Told::OneOf(causes) = told(stack, Some("6.18.0")) else { panic!("not one of several") };
        assert!(!causes.contains(&CauseId::RxForward), "{causes:?}");
    }

    #[test]
    fn what_copies_nothing_is_told_as_such() {
        for stack in
            ["tcp_sendmsg_locked < tcp_sendmsg", "msg_zerocopy_callback < skb_release_data < kfree_skb"]
        {
            assert_eq!(told(stack, None), Told::NoCopy, "{stack}");
        }
        assert_eq!(told("skb_copy_ubufs < some_new_function", None), Told::Unknown);
    }

    #[test]
    fn every_stack_of_the_manual_has_its_cause() {
        for cause in CAUSES.iter().filter(|cause| cause.id != CauseId::Unknown) {
            for stack in cause.manual().stacks {
                let text = stack.join(" < ");
                let found = explain(&printed::stacks(&text), None);
                let told = found.stacks.first().map(|stack| &stack.told);
                let is_told =
                    told.is_some_and(|told| told.causes().contains(&cause.id) || *told == Told::NoCopy);
                assert!(stack.len() < 2 || is_told, "{}: {text}: {told:?}", cause.id);
            }
        }
    }

    #[test]
    fn stacks_that_are_alike_are_added_up() {
        let text = "a;dev_queue_xmit_nit;skb_copy_ubufs 3\nb;tun_net_xmit;skb_copy_ubufs 9\na;dev_queue_xmit_nit;skb_copy_ubufs 4";
        let explained = explain(&printed::stacks(text), None);
        let rows: Vec<_> = explained.stacks.iter().map(|stack| (stack.copies, &stack.told)).collect();
        assert_eq!(rows, [(Some(9), &Told::Cause(CauseId::Tun)), (Some(7), &Told::Cause(CauseId::TapTx))]);
        assert_eq!(
            explained.causes.iter().map(|cause| cause.id).collect::<Vec<_>>(),
            [CauseId::Tun, CauseId::TapTx]
        );
    }
}
