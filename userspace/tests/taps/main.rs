//! Real packet sockets in namespaces that the tests make; as root, without BPF.

mod check;
mod command;
mod daemons;
mod keep;
mod libraries;
mod mess;
mod mute;
mod sandbox;
mod socket;
mod unreachable;

use std::{
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use sandbox::{NamedNetns, as_root, find, in_sandbox, ip, netns, report, report_for};
use socket::{ETH_P_ALL, ETH_P_IP, FANOUT_FLAG_IGNORE_OUTGOING, inode};
use zcdiag::{
    links::path::path,
    model::{
        kernel::{TapListScope, fanout_flag_obeyed},
        netns::Namespace,
        path::Passage,
        tap::{Binding, Fanout, PacketSocketType, TapVerdict},
    },
    process::ProcRoot,
    taps::{
        inventory,
        verdict::{hears_device, offends_device},
    },
};

#[test]
fn a_bound_tap_offends_its_device_only() {
    in_sandbox(|v0| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, v0);
        let report = report();
        let judged = find(&report, inode(&tap));
        assert_eq!(judged.judgement.verdict, TapVerdict::Offending);
        assert_eq!(judged.judgement.reason, "sees every packet that leaves v0");
        assert_eq!(judged.tap.binding, Binding::Device { ifindex: v0, name: Some("v0".to_owned()) });
        assert_eq!((judged.tap.netns.inum, judged.tap.netns.name.as_deref()), (netns(), None));
        assert_eq!(judged.tap.socket_type, PacketSocketType::Raw);
        assert_eq!(judged.tap.ignore_outgoing, Some(false));
        assert_eq!((judged.tap.ring, judged.tap.filter), (Some(false), Some(false)));
        assert_eq!((judged.tap.uid, judged.tap.fanout), (Some(0), Fanout::None));
        let holders: Vec<_> = judged.tap.holders.iter().map(|holder| holder.process.pid).collect();
        assert_eq!(holders, [std::process::id()]);
        assert!(offends_device(&judged.tap, netns(), v0, TapListScope::Global));
        assert!(!offends_device(&judged.tap, netns(), v0 + 1, TapListScope::Global));
    });
}

#[test]
fn an_unbound_tap_offends_as_far_as_the_kernel_lets_it() {
    in_sandbox(|v0| {
        let tap = socket::open_type(libc::SOCK_DGRAM, ETH_P_ALL);
        for (scope, reason, elsewhere) in [
            (TapListScope::PerNetns, "any device of its network namespace", false),
            (TapListScope::Global, "any device of every network namespace", true),
        ] {
            let report = report_for(scope);
            let judged = find(&report, inode(&tap));
            assert_eq!(judged.judgement.verdict, TapVerdict::Offending);
            assert!(judged.judgement.reason.contains(reason), "{}", judged.judgement.reason);
            assert_eq!(
                (&judged.tap.binding, judged.tap.socket_type),
                (&Binding::Any, PacketSocketType::Dgram)
            );
            assert!(offends_device(&judged.tap, netns(), v0, scope));
            assert_eq!(offends_device(&judged.tap, 1, v0, scope), elsewhere);
        }
    });
}

#[test]
fn taps_that_see_nothing_leave_are_harmless() {
    in_sandbox(|v0| {
        let one_protocol = socket::open(ETH_P_IP);
        let sender = socket::open(0);
        let ignoring = socket::open(ETH_P_ALL);
        socket::bind(&ignoring, ETH_P_ALL, v0);
        socket::ignore_outgoing(&ignoring);
        let down = socket::open(ETH_P_ALL);
        ip(&["link", "add", "w0", "type", "veth", "peer", "name", "w1"]);
        socket::bind(&down, ETH_P_ALL, sandbox::ifindex("w0"));
        let report = report();
        let cases = [
            (&one_protocol, "sees received ETH_P_IP packets only", true),
            (&sender, "sees nothing: it asked for no protocol", false),
            (&ignoring, "skips outgoing packets (PACKET_IGNORE_OUTGOING is set)", true),
            (&down, "sees nothing for now", false),
        ];
        for (tap, reason, hears) in cases {
            let judged = find(&report, inode(tap));
            assert_eq!(judged.judgement.verdict, TapVerdict::Harmless, "{judged:#?}");
            assert!(judged.judgement.reason.starts_with(reason), "{judged:#?}");
            assert_eq!(hears_device(&judged.tap, netns(), v0, TapListScope::PerNetns), hears, "{judged:#?}");
        }
    });
}

#[test]
fn a_tap_on_a_removed_device_sees_nothing() {
    in_sandbox(|v0| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, v0);
        ip(&["link", "delete", "v0"]);
        let report = report();
        let judged = find(&report, inode(&tap));
        assert_eq!(judged.tap.binding, Binding::Gone);
        assert_eq!(judged.judgement.verdict, TapVerdict::Harmless);
    });
}

#[test]
fn in_a_fanout_group_only_the_flag_of_the_group_counts() {
    in_sandbox(|v0| {
        let member = |id, flags| {
            let tap = socket::open(ETH_P_ALL);
            socket::bind(&tap, ETH_P_ALL, v0);
            socket::ignore_outgoing(&tap);
            socket::join_fanout(&tap, id, flags);
            tap
        };
        // Group 0 without flags is the one that getsockopt cannot tell from no group.
        let taps = [member(0, 0), member(7, 0), member(7, 0), member(8, FANOUT_FLAG_IGNORE_OUTGOING)];
        let report = report();
        let obeyed = report.kernel.as_deref().and_then(fanout_flag_obeyed) == Some(true);
        let flagged = if obeyed { TapVerdict::Harmless } else { TapVerdict::Offending };
        let offending = TapVerdict::Offending;
        for (tap, (id, verdict)) in
            taps.iter().zip([(0, offending), (7, offending), (7, offending), (8, flagged)])
        {
            let judged = find(&report, inode(tap));
            let Fanout::Member(group) = judged.tap.fanout else { panic!("in a group: {judged:#?}") };
            assert_eq!((group.id, group.mode, group.flag), (id, 0, Some(id == 8)));
            assert_eq!(judged.tap.ignore_outgoing, Some(true), "the option that does nothing here");
            assert_eq!(judged.judgement.verdict, verdict, "{judged:#?}");
        }
    });
}

#[test]
fn every_process_that_holds_a_tap_is_named() {
    in_sandbox(|v0| {
        let tap = socket::open(ETH_P_ALL);
        socket::bind(&tap, ETH_P_ALL, v0);
        let mut children: Vec<_> = (0..2)
            .map(|_| {
                let inherited: OwnedFd = tap.try_clone().expect("duplicate the tap");
                let mut cat = Command::new("cat");
                cat.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(inherited).spawn().expect("run cat")
            })
            .collect();
        let report = report();
        let judged = find(&report, inode(&tap));
        let mut holders: Vec<_> =
            judged.tap.holders.iter().map(|h| (h.process.pid, h.fd.expect("it is open"))).collect();
        holders.retain(|(pid, _)| *pid != std::process::id());
        let mut expected: Vec<_> = children.iter().map(|child| (child.id(), 2)).collect();
        expected.sort_unstable();
        assert_eq!(holders, expected);
        assert_eq!(judged.tap.holders.len(), 3);
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().expect("cat ends with its input");
        }
    });
}

#[test]
fn a_tap_stays_in_the_namespace_its_holder_has_left() {
    as_root(|| {
        let named = NamedNetns::new("left");
        let (tap, inside) = named.enter(|| (socket::open(ETH_P_ALL), netns()));
        assert_ne!(netns(), inside, "this thread is home again");
        let report = report();
        let judged = find(&report, inode(&tap));
        assert_eq!(judged.tap.netns.inum, inside);
        assert_eq!(judged.tap.netns.name.as_ref(), Some(&named.name));
        assert_eq!(judged.tap.holders[0].process.pid, std::process::id());
        assert_eq!(judged.judgement.verdict, TapVerdict::Offending);
    });
}

#[test]
fn a_namespace_that_only_a_socket_keeps_is_found() {
    as_root(|| {
        let (tap, inside) = std::thread::scope(|scope| {
            let made = scope.spawn(|| {
                socket::unshare_network();
                (socket::open(ETH_P_ALL), netns())
            });
            made.join().expect("make a namespace and leave it")
        });
        let inventory = inventory::collect(&ProcRoot::system()).expect("procfs can be read");
        assert!(inventory.namespaces.iter().any(|namespace| namespace.netns.inum == inside));
        let report = inventory.judge(TapListScope::PerNetns);
        let judged = find(&report, inode(&tap));
        assert_eq!(judged.tap.netns.inum, inside);
        assert_eq!(judged.judgement.verdict, TapVerdict::Offending);
    });
}

#[test]
fn devices_of_every_namespace_are_named() {
    in_sandbox(|v0| {
        let inventory = inventory::collect(&ProcRoot::system()).expect("procfs can be read");
        let here = inventory.namespaces.iter().find(|namespace| namespace.netns.inum == netns());
        let here = here.expect("this namespace is found through a thread");
        assert_eq!(here.device_name(v0), Some("v0"));
        assert_eq!(here.device_name(1), Some("lo"));
        assert_eq!(here.device_name(v0 + 100), None);
    });
}

/// The hops of a path: where a packet leaves (`>`) or comes in (`<`).
fn hops(namespaces: &[Namespace], netns: u32, ifindex: u32) -> String {
    let hops = path(namespaces, netns, ifindex).hops.into_iter().map(|hop| match hop.passage {
        Passage::Out => format!(">{}", hop.device.name),
        Passage::In { .. } => format!("<{}", hop.device.name),
    });
    hops.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_packet_is_followed_through_stacked_devices_into_the_other_namespace() {
    in_sandbox(|v0| {
        let named = NamedNetns::new("path");
        ip(&["link", "set", "v1", "netns", &named.name]);
        ip(&["link", "add", "link", "v0", "name", "mv0", "type", "macvlan"]);
        ip(&["link", "set", "mv0", "up"]);
        let there = named.enter(|| {
            ip(&["link", "add", "br0", "type", "bridge"]);
            ip(&["link", "set", "v1", "master", "br0", "up"]);
            netns()
        });
        let inventory = inventory::collect(&ProcRoot::system()).expect("procfs can be read");
        let way = |device, netns| hops(&inventory.namespaces, netns, device);
        assert_eq!(way(v0, netns()), ">v0 <v1 <br0");
        assert_eq!(way(sandbox::ifindex("mv0"), netns()), ">mv0 >v0 <v1 <br0");
        let v1 = named.enter(|| sandbox::ifindex("v1"));
        assert_eq!(way(v1, there), ">v1 <v0 <mv0");
        assert_eq!(way(1, there), ">lo <lo");
    });
}

#[test]
fn looking_opens_no_tap_and_moves_nobody() {
    in_sandbox(|_| {
        let before = netns();
        let report = report();
        assert_eq!(netns(), before);
        assert!(report.taps.iter().all(|judged| judged.tap.netns.inum != before), "{report:#?}");
    });
}
