use super::*;
use crate::check::facts::tests::{HERE, THERE, facts, place, routed, unicast};
use crate::model::check::Route;

fn events(trace: &Trace) -> Vec<Vec<Event>> {
    trace.ways.iter().map(|way| way.iter().map(|waypoint| waypoint.event).collect()).collect()
}

const OUT: Event = Event::Out { routed: true };
const OUT_BELOW: Event = Event::Out { routed: false };

#[test]
fn out_of_a_device_and_gone() {
    let traced = trace(&facts("d0"));
    assert_eq!(events(&traced), [vec![OUT]]);
    assert!(traced.wanted.is_empty());
}

#[test]
fn down_a_vlan_and_every_port_of_a_bond() {
    let traced = trace(&facts("bond0.5"));
    let way = vec![OUT, OUT_BELOW, OUT_BELOW];
    assert_eq!(events(&traced), [way.clone(), way]);
    assert_ne!(traced.ways[0][2].place, traced.ways[1][2].place);
}

#[test]
fn behind_a_veth_the_other_namespace_decides() {
    let mut facts = facts("v0");
    let traced = trace(&facts);
    assert!(traced.ways.is_empty());
    assert_eq!(traced.wanted, [THERE].into());

    let local = Route { kind: RouteKind::Local, ..unicast(1) };
    facts.surroundings.insert(THERE, routed(Some(local), false));
    let received = Event::In { taken: false };
    assert_eq!(events(&trace(&facts)), [vec![OUT, received, Event::Delivered]]);

    facts.surroundings.insert(THERE, routed(Some(unicast(3)), true));
    let traced = trace(&facts);
    assert_eq!(events(&traced), [vec![OUT, received, Event::Forwarded, OUT]]);
    assert_eq!(traced.ways[0][3].place, place(THERE, 3));

    facts.surroundings.insert(THERE, routed(Some(unicast(3)), false));
    assert!(matches!(events(&trace(&facts))[0][2], Event::Lost(_)), "nothing is routed on there");
}

#[test]
fn a_bridge_gives_it_to_another_port_or_to_its_own_namespace() {
    let mut facts = facts("w0");
    facts.surroundings.insert(THERE, routed(Some(unicast(3)), true));
    let taken = Event::In { taken: true };
    assert_eq!(events(&trace(&facts)), [vec![OUT, taken, OUT_BELOW]], "bridged on");

    let surroundings = facts.surroundings.get_mut(&THERE).expect("just put there");
    surroundings.is_next_hop = true;
    let up = vec![OUT, taken, Event::In { taken: false }, Event::Forwarded, OUT];
    assert_eq!(events(&trace(&facts)), [up], "the bridge's namespace is the router");
}

#[test]
fn groups_with_a_member_here_are_looped_back() {
    for (member, looped) in [(Some(true), true), (Some(false), false), (None, false)] {
        let mut facts = facts("d0");
        let route = Route { kind: RouteKind::Multicast { member }, ..unicast(facts.first) };
        facts.surroundings.insert(HERE, routed(Some(route), false));
        assert_eq!(events(&trace(&facts))[0].contains(&Event::LoopedBack), looped, "{member:?}");
    }
}

#[test]
fn without_a_destination_the_way_ends_where_packets_come_in() {
    let facts = Facts { destination: None, ..facts("v0") };
    assert!(matches!(events(&trace(&facts))[0][..], [OUT, Event::In { taken: false }, Event::Lost(_)]));
}
