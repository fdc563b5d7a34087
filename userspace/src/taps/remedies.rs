//! What to do about an offending tap: for programs that are known, and in general.

use crate::model::{
    program::KnownProgram,
    remedy::{Action, Remedy, When},
    tap::{Binding, Fanout, Tap},
};

/// What to do about a tap that makes sends copy, best first.
pub fn remedies(tap: &Tap, program: Option<&KnownProgram>) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    let fanout = matches!(tap.fanout, Fanout::Member(_));
    if !fanout {
        remedies.push(Remedy { when: Some(When::AtOnce), ..Remedy::new(Action::Mute(tap.inode)) });
    }
    let for_good = for_good(program);
    if fanout {
        remedies.push(Remedy::new(Action::IgnoringGroup));
    } else if for_good.is_empty() {
        remedies.push(Remedy::new(Action::IgnoreOutgoing));
    }
    remedies.extend(for_good);
    if tap.binding == Binding::Any {
        remedies.push(Remedy::new(Action::BindToOne));
    }
    remedies
}

/// What to do about a tap that is given packets because they come in on its device, best first.
pub(super) fn for_incoming(program: Option<&KnownProgram>) -> Vec<Remedy> {
    let mut remedies = vec![Remedy::new(Action::StopOrBindElsewhere)];
    remedies.extend(for_good(program));
    remedies
}

fn for_good(program: Option<&KnownProgram>) -> Vec<Remedy> {
    let cures = program.into_iter().flat_map(|program| &program.cures);
    cures.map(|cure| Remedy { when: Some(When::ForGood), ..Remedy::written(cure.clone()) }).collect()
}

#[cfg(test)]
mod tests {
    use super::remedies;
    use crate::{
        model::{
            program::PacketLibrary,
            tap::{Binding, Fanout, FanoutGroup, Libraries, Tap},
        },
        render::{remedy::sentences, taps::tests::dhclient},
        taps::programs::Programs,
    };

    fn held_by(comm: &str, exe: Option<&str>) -> Tap {
        let mut tap = dhclient().tap;
        tap.holders[0].process.comm = comm.to_owned();
        tap.holders[0].process.exe = exe.map(str::to_owned);
        tap
    }

    fn remedies_of(tap: &Tap) -> Vec<String> {
        sentences(&remedies(tap, Programs::default().holding(tap)))
    }

    #[test]
    fn the_cure_that_works_now_comes_before_the_one_for_good() {
        let cases = [
            ("dhclient", Some("/usr/sbin/dhclient"), "for good: replace dhclient"),
            ("W#01-eth0", Some("/usr/bin/suricata (deleted)"), "for good: capture on a device"),
            ("Suricata-Main", None, "for good: capture on a device"),
            ("lldpd", Some("/usr/sbin/lldpd"), "for good: upgrade lldpd to 1.0.20"),
            ("sensor", Some("/opt/sensor"), "have the program set PACKET_IGNORE_OUTGOING"),
        ];
        for (comm, exe, expected) in cases {
            let remedies = remedies_of(&held_by(comm, exe));
            assert!(remedies[0].contains("zcdiag mute --inode 12354"), "{comm}: {remedies:?}");
            assert!(remedies[1].starts_with(expected), "{comm}: {remedies:?}");
        }
    }

    #[test]
    fn what_has_libpcap_mapped_has_cures_that_need_no_change_of_the_program() {
        let mut tap = held_by("sensor", Some("/opt/sensor"));
        tap.holders[0].libraries = Libraries::Mapped(vec![PacketLibrary::Libpcap]);
        let remedies = remedies_of(&tap);
        assert!(remedies[0].contains("zcdiag mute --inode 12354"), "{remedies:?}");
        assert!(remedies[1].starts_with("for good: stop it when it is no longer needed"), "{remedies:?}");
        assert!(remedies.iter().all(|remedy| !remedy.contains("have the program set")), "{remedies:?}");
    }

    #[test]
    fn a_fanout_group_cannot_be_muted() {
        let group = FanoutGroup { id: 1, mode: 0, flag: Some(false), ignores_outgoing: Some(false) };
        let tap = Tap { fanout: Fanout::Member(group), binding: Binding::Any, ..held_by("x", None) };
        let remedies = remedies_of(&tap);
        assert!(remedies[0].contains("PACKET_FANOUT_FLAG_IGNORE_OUTGOING"), "{remedies:?}");
        assert!(remedies.iter().all(|remedy| !remedy.contains("mute")), "{remedies:?}");
        assert!(remedies[1].contains("bind to the one device"), "{remedies:?}");
    }
}
