//! A tap from what the kernel side saw of it: for those that had closed before anybody looked. Pure.

use zcdiag_wire::{TapKey, TapTally};

use crate::model::{
    netns::Netns,
    process::ProcessIdentity,
    remedy::{Action, Remedy, When},
    tap::{Binding, Fanout, Holder, JudgedTap, Libraries, PacketProtocol, PacketSocketType, Tap, TapVerdict},
};

/// The tap that was given these packets, if it was given any. `opener` opened it; who else held it is not known.
pub fn tap(
    inode: u64,
    given: &[(TapKey, TapTally)],
    opener: Option<ProcessIdentity>,
    device: impl Fn(u32, u32) -> Option<String>,
) -> Option<Tap> {
    let (_, seen) = given.first()?;
    let outgoing = given.iter().any(|(key, tally)| key.incoming == 0 && tally.packets > 0);
    let binding = match seen.bound {
        0 => Binding::Any,
        ifindex => Binding::Device { ifindex, name: device(seen.netns, ifindex) },
    };
    Some(Tap {
        inode,
        uid: opener.as_ref().and_then(|opener| opener.uid),
        holders: opener
            .map(|process| Holder { process, fd: None, age: None, libraries: Libraries::NotRead })
            .into_iter()
            .collect(),
        netns: Netns { inum: seen.netns, name: None },
        binding,
        protocol: PacketProtocol(u16::from_be(seen.protocol)),
        socket_type: PacketSocketType::from(u8::try_from(seen.socket_type).unwrap_or(u8::MAX)),
        running: true,
        ignore_outgoing: outgoing.then_some(false),
        fanout: Fanout::Unknown,
        ring: Some(seen.ring != 0),
        filter: None,
        promiscuous: None,
    })
}

/// Clears the doubt about a tap that was given packets on their way out, and says so if it gets none any more.
pub fn witnessed(judged: &mut JudgedTap) {
    let judgement = &mut judged.judgement;
    match judgement.verdict {
        TapVerdict::Unknown => {
            judgement.verdict = TapVerdict::Offending;
            "was given copied packets on their way out".clone_into(&mut judgement.reason);
        }
        TapVerdict::Harmless if judgement.remedies.is_empty() => {
            judgement.remedies.push(Remedy::new(Action::NothingAnyMore(judgement.reason.clone())));
        }
        TapVerdict::Harmless | TapVerdict::Offending => {}
    }
}

/// What there is to do about a tap that is not open any more.
pub fn closed(judged: &mut JudgedTap) {
    let remedies = &mut judged.judgement.remedies;
    remedies.retain(|remedy| remedy.when == Some(When::ForGood));
    remedies.insert(0, Remedy::new(Action::NothingUntilOpen));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::kernel::TapListScope,
        render::remedy::sentences,
        taps::{programs::Programs, verdict},
    };

    #[test]
    fn what_was_given_packets_is_to_blame_whatever_could_not_be_read() {
        let key = TapKey { inode: 7, netns: 1, ifindex: 5, ..TapKey::default() };
        let seen = TapTally {
            packets: 3,
            bound: 5,
            netns: 1,
            protocol: 3_u16.to_be(),
            socket_type: 3,
            ring: 1,
            ..TapTally::default()
        };
        let opener = ProcessIdentity { pid: 77, comm: "tcpdump".to_owned(), ..ProcessIdentity::default() };
        let name = |netns, ifindex| ((netns, ifindex) == (1, 5)).then(|| "d0".to_owned());
        assert_eq!(tap(7, &[], None, name), None);
        let tap = tap(7, &[(key, seen)], Some(opener), name).expect("it was given packets");
        assert_eq!(tap.binding, Binding::Device { ifindex: 5, name: Some("d0".to_owned()) });
        assert_eq!((tap.protocol, tap.socket_type), (PacketProtocol::ALL, PacketSocketType::Raw));
        assert_eq!(tap.holder().as_deref(), Some("tcpdump (pid 77)"));

        let judgement = verdict::judge(&tap, TapListScope::Global, &Programs::default());
        let mut judged = JudgedTap { tap, judgement };
        assert_eq!(judged.judgement.verdict, TapVerdict::Unknown, "it might be in a fanout group");
        witnessed(&mut judged);
        assert_eq!(judged.judgement.verdict, TapVerdict::Offending);
        judged.tap.ignore_outgoing = Some(true);
        judged.tap.fanout = crate::model::tap::Fanout::None;
        judged.judgement = verdict::judge(&judged.tap, TapListScope::Global, &Programs::default());
        witnessed(&mut judged);
        witnessed(&mut judged);
        let cured =
            ["nothing to do any more: by now it skips outgoing packets (PACKET_IGNORE_OUTGOING is set)"];
        assert_eq!(sentences(&judged.judgement.remedies), cured, "it has been muted meanwhile");
        closed(&mut judged);
        assert_eq!(judged.judgement.remedies, [Remedy::new(Action::NothingUntilOpen)]);
    }
}
