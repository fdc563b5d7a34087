use std::{collections::BTreeSet, net::IpAddr};

use super::*;
use crate::{
    check::{
        facts::{
            OtherRoute, Policy, TrafficControl,
            tests::{HERE, THERE, all_offloads, facts, place, routed, unicast},
        },
        netfilter::{Detour, Effect, Stage},
        trace::trace,
    },
    model::{
        cause::CauseId,
        check::{Offloads, Route},
        netns::Xdp,
        tap::{Binding, PacketProtocol},
    },
    render::taps::tests::dhclient,
};

fn judged(facts: &Facts) -> CheckReport {
    let traced = trace(facts);
    assert!(traced.wanted.is_empty(), "{traced:?}");
    judge(facts.clone(), &traced, &Way::ALL)
}

/// The outlook of a way, what the kernel will say of it, and the causes that stand in it.
fn of(report: &CheckReport, way: Way) -> (Outlook, Outlook, Vec<&'static str>) {
    let answer = report.ways.iter().find(|answer| answer.way == way).expect("it was asked about");
    let causes = report.obstacles.iter().filter(|obstacle| obstacle.ways.contains(&way));
    (
        answer.outlook,
        answer.reported,
        causes.map(|obstacle| obstacle.cause.map_or("?", CauseId::name)).collect(),
    )
}

use Outlook::{Copied, Unknown, ZeroCopy};

#[track_caller]
fn assert_all(facts: &Facts, outlook: Outlook, reported: Outlook, causes: &[&str]) {
    let report = judged(facts);
    for way in Way::ALL {
        assert_eq!(
            of(&report, way),
            (outlook, reported, causes.to_vec()),
            "{way:?}: {:#?}",
            report.obstacles
        );
    }
    assert_eq!(report.outlook, outlook);
}

#[test]
fn a_good_device_is_zero_copy_for_all() {
    let report = judged(&facts("d0"));
    assert_all(&facts("d0"), ZeroCopy, ZeroCopy, &[]);
    assert_eq!(
        report.ways.iter().map(|way| way.max_bytes).collect::<Vec<_>>(),
        [None, Some(1472), None, None, Some(1472)]
    );
    assert_eq!(report.path.len(), 1);
}

#[test]
fn datagrams_are_as_long_as_the_path_allows() {
    let mut facts = facts("d0");
    facts.surroundings.insert(HERE, routed(Some(Route { mtu: Some(1400), ..unicast(facts.first) }), false));
    for (size, outlook) in [(1372, ZeroCopy), (1373, Copied)] {
        facts.size = Some(size);
        let report = judged(&facts);
        assert_eq!(of(&report, Way::Udp).0, outlook, "{size}");
        assert_eq!(of(&report, Way::Tcp).0, ZeroCopy);
    }
    assert_eq!(of(&judged(&facts), Way::Udp).2, ["upfront_frag"]);
}

#[test]
fn missing_offloads_copy_in_the_way_of_each_transport() {
    let without = |name: &str| {
        let mut on = all_offloads();
        on.0.remove(name);
        on
    };
    let mut facts = facts("d0");
    let d0 = place(HERE, facts.first);
    facts.offloads.insert(d0, Some(without("tx-checksum-ip-generic")));
    assert_eq!(of(&judged(&facts), Way::Tcp), (Copied, Copied, vec!["sw_gso_no_csum"]));
    assert_eq!(of(&judged(&facts), Way::Udp), (Copied, Copied, vec!["upfront_dev"]));
    facts.size = Some(1000);
    assert_eq!(of(&judged(&facts), Way::Tcp), (Copied, Copied, vec!["sw_checksum"]));

    facts.offloads.insert(d0, Some(without("tx-scatter-gather")));
    assert_eq!(of(&judged(&facts), Way::Tcp), (Copied, Copied, vec!["no_sg"]));
    facts.size = None;
    assert_eq!(of(&judged(&facts), Way::Tcp), (Copied, Unknown, vec!["no_sg"]), "cut up, it is not reported");
    assert_eq!(of(&judged(&facts), Way::UdpGso), (Copied, Copied, vec!["upfront_dev"]));

    facts
        .offloads
        .insert(d0, Some(Offloads(["tx-checksum-ipv4", "tx-scatter-gather"].map(str::to_owned).into())));
    assert_eq!(of(&judged(&facts), Way::Udp).0, ZeroCopy);
    facts.destination = Some("fd09::2".parse().expect("an address"));
    assert_eq!(of(&judged(&facts), Way::Udp).0, Copied, "IPv6 is summed up by another offload");

    facts.offloads.insert(d0, None);
    assert_eq!(of(&judged(&facts), Way::Udp).0, Unknown);
}

#[test]
fn taps_count_where_they_listen() {
    let mut facts = facts("d0");
    let mut tap = dhclient();
    tap.tap.netns.inum = HERE;
    tap.tap.binding = Binding::Device { ifindex: facts.first, name: Some("d0".to_owned()) };
    facts.taps = vec![tap.clone()];
    assert_all(&facts, Copied, Copied, &["tap_tx"]);
    let report = judged(&facts);
    assert!(
        report.obstacles[0].explanation.starts_with("dhclient (pid 812) sees every packet"),
        "{report:?}"
    );
    assert!(!report.obstacles[0].remedies.is_empty(), "{report:?}");
    assert_eq!(report.taps.len(), 1);

    facts.taps[0].tap.ignore_outgoing = None;
    assert_all(&facts, Unknown, Unknown, &["tap_tx"]);
    facts.taps[0].tap.binding = Binding::Device { ifindex: 99, name: None };
    assert_all(&facts, ZeroCopy, ZeroCopy, &[]);
    facts.unseen_taps = true;
    assert_all(&facts, Unknown, Unknown, &["?"]);
}

#[test]
fn one_port_of_a_bond_makes_doubt_and_both_make_certain() {
    let mut facts = facts("bond0.5");
    let tap = |ifindex| {
        let mut tap = dhclient();
        tap.tap.netns.inum = HERE;
        tap.tap.binding = Binding::Device { ifindex, name: None };
        tap.tap.inode = ifindex.into();
        tap
    };
    facts.taps = vec![tap(10)];
    assert_all(&facts, Unknown, Unknown, &["tap_tx"]);
    facts.taps = vec![tap(10), tap(11)];
    assert_all(&facts, Copied, Copied, &["tap_tx", "tap_tx"]);
}

#[test]
fn what_comes_in_again_is_delivered_or_routed_on() {
    let mut facts = facts("v0");
    let local = Route { kind: RouteKind::Local, ..unicast(1) };
    facts.surroundings.insert(THERE, routed(Some(local), false));
    assert_all(&facts, Copied, Copied, &["local_delivery"]);

    facts.surroundings.insert(THERE, routed(Some(unicast(3)), true));
    for (routes_zerocopy, outlook, causes) in [
        (Some(false), Copied, &["rx_forward"][..]),
        (Some(true), ZeroCopy, &[]),
        (None, Unknown, &["rx_forward"]),
    ] {
        facts.routes_zerocopy = routes_zerocopy;
        assert_all(&facts, outlook, outlook, causes);
    }

    let mut tap = dhclient();
    tap.tap.netns.inum = THERE;
    tap.tap.binding = Binding::Device { ifindex: 2, name: None };
    tap.tap.protocol = PacketProtocol(0x0800);
    facts.routes_zerocopy = Some(true);
    facts.taps = vec![tap];
    assert_all(&facts, Copied, Copied, &["tap_rx"]);
    facts.taps[0].tap.protocol = PacketProtocol(0x86dd);
    assert_all(&facts, ZeroCopy, ZeroCopy, &[]);
}

#[test]
fn a_bridge_does_not_copy_but_a_tap_on_its_port_does() {
    let mut facts = facts("w0");
    facts.surroundings.insert(THERE, routed(Some(unicast(3)), false));
    assert_all(&facts, ZeroCopy, ZeroCopy, &[]);
    let mut tap = dhclient();
    tap.tap.netns.inum = THERE;
    tap.tap.binding = Binding::Device { ifindex: 4, name: None };
    facts.taps = vec![tap];
    assert_all(&facts, Copied, Copied, &["tap_rx"]);
    facts.taps[0].tap.protocol = PacketProtocol(0x0800);
    assert_all(&facts, ZeroCopy, ZeroCopy, &[]);
}

#[test]
fn programs_where_packets_come_in() {
    let local = Route { kind: RouteKind::Local, ..unicast(1) };
    let with = |xdp| {
        let mut facts = facts("v0");
        facts.surroundings.insert(THERE, routed(Some(local), false));
        facts.devices.get_mut(place(THERE, 2)).expect("v1").xdp = xdp;
        facts
    };
    assert_all(&with(Xdp::Native), Copied, ZeroCopy, &["native_xdp", "local_delivery"]);
    assert_all(&with(Xdp::Generic), Copied, Unknown, &["generic_xdp", "local_delivery"]);
    assert_all(&with(Xdp::Multiple), Copied, Copied, &["?", "local_delivery"]);
}

#[test]
fn readers_tunnels_and_encryption() {
    assert_all(&facts("tun0"), Copied, Copied, &["tun"]);
    let mut tunnel = facts("wg0");
    let report = judged(&tunnel);
    assert_eq!(of(&report, Way::Udp), (Copied, Copied, vec!["wireguard"]));
    assert_eq!(of(&report, Way::UdpGso), (Copied, Unknown, vec!["wireguard"]), "it is cut up");
    tunnel.size = Some(1000);
    assert_eq!(of(&judged(&tunnel), Way::Tcp), (Copied, Copied, vec!["wireguard"]));
    assert_all(&facts("vx0"), Unknown, Unknown, &["?"]);
}

/// Encrypts what is sent to a network.
fn policy_for(network: &str, prefix: u8) -> Policy {
    let network: IpAddr = network.parse().expect("an address");
    let any = if network.is_ipv6() { "::" } else { "0.0.0.0" };
    Policy {
        priority: 5,
        destination: (network, prefix),
        source: (any.parse().expect("an address"), 0),
        protocol: 0,
        ports: false,
        ifindex: 0,
        transforms: true,
    }
}

#[test]
fn where_packets_are_encrypted_depends_on_family_and_device() {
    let with = |policy: Policy, offload: &str| {
        let mut facts = facts("d0");
        let route = Route { source: None, ..unicast(facts.first) };
        if policy.destination.0.is_ipv6() {
            facts.destination = Some("fd09::2".parse().expect("an address"));
        }
        facts.surroundings.insert(HERE, routed(Some(route), false));
        facts.surroundings.get_mut(&HERE).expect("it is there").policies = Some(vec![policy]);
        facts
            .offloads
            .get_mut(&place(HERE, facts.first))
            .expect("known")
            .as_mut()
            .expect("read")
            .0
            .remove(offload);
        let report = judged(&facts);
        [Way::Tcp, Way::Udp].map(|way| of(&report, way).2[0])
    };
    let (ipv4, ipv6) = (policy_for("10.9.0.0", 24), policy_for("fd09::", 64));
    assert_eq!(with(ipv4, ""), ["ipsec", "upfront_ipsec"]);
    assert_eq!(with(ipv6, ""), ["ipsec", "ipsec"]);
    assert_eq!(with(ipv4, "tx-scatter-gather")[0], "upfront_tcp");
    assert_eq!(with(ipv6, "tx-scatter-gather"), ["upfront_tcp", "upfront_dev"]);
}

#[test]
fn programs_behind_netfilter_may_get_the_packets() {
    for (queues, outlook, causes) in
        [(Some(false), ZeroCopy, &[][..]), (Some(true), Unknown, &["nfqueue"]), (None, Unknown, &["nfqueue"])]
    {
        let mut facts = facts("d0");
        facts.surroundings.get_mut(&HERE).expect("it is there").queues = queues;
        assert_all(&facts, outlook, outlook, causes);
    }
}

fn detour(stage: Stage, action: &'static str, protocol: u8) -> Detour {
    let effect = if action == "dup" { Effect::Copy } else { Effect::Elsewhere };
    let listed_by = "nft list chain ip t c".to_owned();
    Detour { stage, action, effect, protocol, devices: BTreeSet::new(), listed_by }
}

#[test]
fn what_netfilter_may_send_elsewhere_is_not_told() {
    let mut facts = facts("v0");
    let local = Route { kind: RouteKind::Local, ..unicast(1) };
    facts.surroundings.insert(THERE, routed(Some(local), false));
    let with = |netns, detour: Detour| {
        let mut facts = facts.clone();
        facts.surroundings.get_mut(&netns).expect("it is there").detours = Some([detour].into());
        judged(&facts)
    };
    for (netns, stage) in [(HERE, Stage::Output), (HERE, Stage::Leaving), (THERE, Stage::ComingIn)] {
        let report = with(netns, detour(stage, "dnat", 6));
        assert_eq!(of(&report, Way::Tcp), (Unknown, Unknown, vec!["?", "local_delivery"]), "{stage:?}");
        assert_eq!(of(&report, Way::Udp), (Copied, Copied, vec!["local_delivery"]), "{stage:?}");
    }
    let not_passed = with(THERE, detour(Stage::Output, "dnat", 6));
    assert_eq!(not_passed.outlook, Copied);
    assert_eq!(with(HERE, detour(Stage::Output, "dup", 17)).outlook, Copied, "the packet itself goes on");

    facts.surroundings.get_mut(&HERE).expect("it is there").detours = None;
    assert_all(&facts, Copied, Copied, &["?", "local_delivery"]);
}

#[test]
fn a_copy_that_netfilter_sends_elsewhere_may_be_copied() {
    let mut facts = facts("d0");
    facts.surroundings.get_mut(&HERE).expect("it is there").detours =
        Some([detour(Stage::Output, "dup", 17)].into());
    let report = judged(&facts);
    assert_eq!(of(&report, Way::Udp), (Unknown, Unknown, vec!["?"]));
    assert_eq!(of(&report, Way::Tcp), (ZeroCopy, ZeroCopy, vec![]));
    assert!(report.obstacles[0].explanation.contains("`nft list chain ip t c`"), "{report:?}");
}

#[test]
fn what_the_send_call_copies_is_copied_wherever_it_goes() {
    let mut facts = facts("d0");
    facts.surroundings.get_mut(&HERE).expect("it is there").detours =
        Some([detour(Stage::Output, "dnat", 17)].into());
    facts.size = Some(2000);
    assert_eq!(of(&judged(&facts), Way::Udp).0, Copied);
}

#[test]
fn next_hops_that_agree_are_one_and_others_are_named() {
    let mut facts = facts("d0");
    let by = |ifindex| Route { source: None, gateway: "10.9.0.3".parse().ok(), ..unicast(ifindex) };
    facts.surroundings.get_mut(&HERE).expect("it is there").other_hops = Some(vec![by(10), by(11)]);
    assert_all(&facts, ZeroCopy, ZeroCopy, &[]);

    let mut tap = dhclient();
    tap.tap.netns.inum = HERE;
    tap.tap.binding = Binding::Device { ifindex: 11, name: None };
    facts.taps = vec![tap];
    assert_all(&facts, Unknown, Unknown, &["tap_tx", "?"]);
    let told = &judged(&facts).obstacles[1].explanation;
    assert!(told.contains("(d0, eth0 via 10.9.0.3, eth1 via 10.9.0.3)"), "{told}");

    facts.taps.clear();
    facts.devices.get_mut(place(HERE, 11)).expect("eth1").mtu = 1400;
    assert_eq!(judged(&facts).ways[1].max_bytes, Some(1372), "what passes whichever it is");
}

#[test]
fn packets_that_may_have_another_route_are_in_doubt() {
    let mut facts = facts("d0");
    facts.size = Some(2000);
    facts.other_routes =
        Some(vec![OtherRoute { says: "rule 100 looks at the user".to_owned(), protocol: None }]);
    let report = judged(&facts);
    assert_eq!(of(&report, Way::Tcp), (Unknown, Unknown, vec!["?"]));
    assert_eq!(of(&report, Way::Udp).0, Unknown, "another device may take more bytes");
    assert!(report.obstacles.iter().any(|other| other.explanation.contains("rule 100")), "{report:?}");
}

#[test]
fn policies_decide_by_priority() {
    let mut facts = facts("d0");
    let policy = policy_for("10.9.0.0", 24);
    let mut with = |policies: &[Policy]| {
        let surroundings = facts.surroundings.get_mut(&HERE).expect("it is there");
        surroundings.policies = Some(policies.to_vec());
        judged(&facts)
    };
    let report = with(&[policy]);
    assert_eq!(of(&report, Way::Tcp), (Copied, Copied, vec!["ipsec"]));
    assert_eq!(of(&report, Way::Udp), (Copied, Copied, vec!["upfront_ipsec"]));
    assert_eq!(with(&[Policy { transforms: false, ..policy }, policy]).outlook, ZeroCopy);
    let tcp_only = with(&[Policy { protocol: 6, ..policy }]);
    assert_eq!((of(&tcp_only, Way::Tcp).0, of(&tcp_only, Way::Udp).0), (Copied, ZeroCopy));
    assert_eq!(with(&[Policy { ports: true, ..policy }]).outlook, Unknown);

    facts.surroundings.get_mut(&HERE).expect("it is there").policies = None;
    assert_eq!(judged(&facts).outlook, Unknown, "what may not be read is not guessed");
}

#[test]
fn traffic_control_damages_or_may_redirect() {
    let mut facts = facts("d0");
    let d0 = place(HERE, facts.first);
    facts
        .traffic_control
        .insert(d0, Some(TrafficControl { corrupts: u32::MAX, ..TrafficControl::default() }));
    assert_all(&facts, Copied, Copied, &["netem_corrupt"]);
    facts.traffic_control.insert(d0, Some(TrafficControl { corrupts: 1, ..TrafficControl::default() }));
    assert_all(&facts, Unknown, Unknown, &["netem_corrupt"]);
    facts.traffic_control.insert(d0, Some(TrafficControl { egress_filters: 1, ..TrafficControl::default() }));
    assert_all(&facts, Unknown, Unknown, &["?"]);
}

#[test]
fn behind_filters_that_may_redirect_nothing_is_sure() {
    let mut facts = facts("v0");
    let local = Route { kind: RouteKind::Local, ..unicast(1) };
    facts.surroundings.insert(THERE, routed(Some(local), false));
    let egress = TrafficControl { egress_filters: 1, ..TrafficControl::default() };
    let ingress = TrafficControl { ingress_filters: 1, ..TrafficControl::default() };
    for (at, control) in [(place(HERE, 3), egress), (place(THERE, 2), ingress)] {
        let mut facts = facts.clone();
        facts.traffic_control.insert(at, Some(control));
        assert_all(&facts, Unknown, Unknown, &["?", "local_delivery"]);
    }
}

#[test]
fn groups_with_a_member_here_are_copied() {
    for (member, outlook, causes) in [
        (Some(true), Copied, &["mcast_loop"][..]),
        (Some(false), ZeroCopy, &[]),
        (None, Unknown, &["mcast_loop"]),
    ] {
        let mut facts = facts("d0");
        let route = Route { kind: RouteKind::Multicast { member }, ..unicast(facts.first) };
        facts.surroundings.insert(HERE, routed(Some(route), false));
        let report = judged(&facts);
        for way in [Way::Udp, Way::UdpGso, Way::IoUringUdp] {
            assert_eq!(of(&report, way), (outlook, outlook, causes.to_vec()), "{way:?}: {report:#?}");
        }
        assert_eq!(report.outlook, outlook);
    }
}

#[test]
fn a_broadcast_always_comes_back_and_tcp_knows_none() {
    let mut facts = facts("d0");
    let route = Route { kind: RouteKind::Broadcast, ..unicast(facts.first) };
    facts.surroundings.insert(HERE, routed(Some(route), false));
    let report = judged(&facts);
    assert_eq!(of(&report, Way::Udp), (Copied, Copied, vec!["broadcast_loop"]));
    assert_eq!(report.ways[0].refusal, Some(Refusal::Group), "TCP cannot be sent so");
}

#[test]
fn each_way_of_sending_has_its_own_largest_size() {
    let mut facts = facts("d0");
    facts.size = Some(3000);
    let report = judged(&facts);
    let outlooks: Vec<_> = report.ways.iter().map(|answer| (answer.way, answer.outlook)).collect();
    let expected = [
        (Way::Tcp, ZeroCopy),
        (Way::Udp, Copied),
        (Way::UdpGso, ZeroCopy),
        (Way::IoUring, ZeroCopy),
        (Way::IoUringUdp, Copied),
    ];
    assert_eq!(outlooks, expected);
    facts.size = Some(65508);
    let refused = |report: &CheckReport| {
        let refused = report.ways.iter().filter(|answer| answer.refusal.is_some());
        refused.map(|answer| answer.way).collect::<Vec<_>>()
    };
    let datagrams = [Way::Udp, Way::UdpGso, Way::IoUringUdp];
    assert_eq!(refused(&judged(&facts)), datagrams, "they fail with EMSGSIZE");
    facts.destination = Some("fd09::2".parse().expect("an address"));
    assert_eq!(refused(&judged(&facts)), [], "IPv6 does not count its header");
    facts.size = Some(65528);
    assert_eq!(refused(&judged(&facts)), datagrams);
}

#[test]
fn what_the_kernel_cannot_do_does_not_count() {
    let mut facts = facts("d0");
    facts.io_uring = Some(false);
    let report = judge(facts.clone(), &trace(&facts), &[Way::IoUring]);
    assert_eq!((report.outlook, report.ways[0].supported), (Unknown, Some(false)));
    assert_eq!(judged(&facts).outlook, ZeroCopy);
}
