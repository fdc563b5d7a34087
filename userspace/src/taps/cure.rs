//! The smallest set of changes that restores zero copy where several taps share the blame. Pure.

use std::collections::BTreeSet;

use crate::model::{
    cause::CauseId,
    cure::{Cure, OtherChange},
    further::{Further, Grounds},
    path::{Hop, Passage},
    tap::{Fanout, Tap, TapVerdict},
};

/// A tap that is, or may be, to blame for copies.
#[derive(Debug, Clone, Copy)]
pub struct Blamed<'a> {
    /// The tap.
    pub tap: &'a Tap,
    /// Whether it is to blame for sure.
    pub verdict: TapVerdict,
    /// Whether it is given the packets because they come in again: then no option helps.
    pub incoming: bool,
}

/// What has to be done about all of them; a tap may be blamed more than once.
pub fn smallest<'a>(blamed: impl IntoIterator<Item = Blamed<'a>>) -> Cure {
    let mut cure = Cure::default();
    let (mut sure, mut doubtful): (Vec<Blamed<'_>>, Vec<Blamed<'_>>) = (Vec::new(), Vec::new());
    for blamed in blamed {
        match blamed.verdict {
            TapVerdict::Offending => sure.push(blamed),
            TapVerdict::Unknown => doubtful.push(blamed),
            TapVerdict::Harmless => {}
        }
    }
    // Those that have to be stopped first: what their programs hold else is closed with them.
    let mut stopped: BTreeSet<u32> = BTreeSet::new();
    let mut dealt_with: BTreeSet<u64> = BTreeSet::new();
    for Blamed { tap, .. } in sure.iter().filter(|blamed| blamed.incoming) {
        if dealt_with.insert(tap.inode) {
            stop(tap, &mut stopped, &mut cure.others);
        }
    }
    let mut groups: BTreeSet<(u32, u16)> = BTreeSet::new();
    for Blamed { tap, .. } in &sure {
        if !dealt_with.insert(tap.inode) || closes_with(tap, &stopped) {
            continue;
        }
        let Fanout::Member(group) = tap.fanout else {
            cure.mute.push(tap.inode);
            continue;
        };
        let members = |blamed: &&Blamed<'_>| {
            let same = |other: Fanout| matches!(other, Fanout::Member(other) if other.id == group.id);
            blamed.tap.netns == tap.netns && same(blamed.tap.fanout)
        };
        if groups.insert((tap.netns.inum, group.id)) {
            let taps: BTreeSet<u64> = sure.iter().filter(members).map(|blamed| blamed.tap.inode).collect();
            let what = format!(
                "restart {} with PACKET_FANOUT_FLAG_IGNORE_OUTGOING on fanout group {} (Linux 6.2), or stop it",
                tap.holder_or_inode(),
                group.id
            );
            cure.others.push(OtherChange { taps: taps.into_iter().collect(), what });
        }
    }
    let doubtful: BTreeSet<u64> = doubtful.iter().map(|blamed| blamed.tap.inode).collect();
    cure.doubtful = doubtful.difference(&dealt_with).copied().collect();
    cure.mute.sort_unstable();
    cure
}

/// The copy for a receiver on this machine that a way may end with: that of the first place where packets come in and are
/// taken, or of a loopback device. `or_routed`: this kernel copies what it routes on as well.
pub fn taken_in<'a>(hops: impl IntoIterator<Item = &'a Hop>, or_routed: bool) -> Option<Further> {
    let mut ends = hops.into_iter().filter(|hop| hop.passage == Passage::In { taken: false });
    let end = ends.next()?;
    let grounds = if end.loopback { Grounds::Loopback } else { Grounds::IfTakenIn { or_routed } };
    Some(Further::untapped(CauseId::LocalDelivery, &end.device, grounds))
}

/// Adds stopping the holders of a tap, or the tap to what stopping them deals with.
fn stop(tap: &Tap, stopped: &mut BTreeSet<u32>, others: &mut Vec<OtherChange>) {
    let what =
        format!("stop {}, or bind it to a device that these packets do not pass", tap.holder_or_inode());
    stopped.extend(tap.holders.iter().map(|holder| holder.process.pid));
    match others.iter_mut().find(|other| other.what == what) {
        Some(other) => other.taps.push(tap.inode),
        None => others.push(OtherChange { taps: vec![tap.inode], what }),
    }
}

/// Whether a tap is closed when these processes end.
fn closes_with(tap: &Tap, stopped: &BTreeSet<u32>) -> bool {
    !tap.holders.is_empty() && tap.holders.iter().all(|holder| stopped.contains(&holder.process.pid))
}

#[cfg(test)]
mod tests {
    use super::{Blamed, smallest};
    use crate::{
        model::tap::{Fanout, FanoutGroup, Tap, TapVerdict},
        render::taps::tests::dhclient,
    };

    fn tap(inode: u64, pid: u32) -> Tap {
        let mut tap = Tap { inode, ..dhclient().tap };
        tap.holders[0].process.pid = pid;
        tap
    }

    #[test]
    fn each_tap_is_dealt_with_once_and_by_the_least() {
        let group = FanoutGroup { id: 7, mode: 0, flag: Some(false), ignores_outgoing: Some(false) };
        let member = |inode| Tap { fanout: Fanout::Member(group), ..tap(inode, 3) };
        let taps = [tap(2, 1), tap(1, 1), tap(3, 2), tap(4, 2), member(5), member(6), tap(8, 4), tap(9, 5)];
        let blame = |index: usize, verdict, incoming| Blamed { tap: &taps[index], verdict, incoming };
        let (offending, unknown) = (TapVerdict::Offending, TapVerdict::Unknown);
        let cure = smallest([
            blame(0, offending, false),
            blame(0, unknown, false),
            blame(1, offending, false),
            // Its program holds another, which is closed with it.
            blame(2, offending, true),
            blame(2, offending, false),
            blame(3, offending, false),
            blame(4, offending, false),
            blame(5, offending, false),
            blame(6, unknown, true),
            blame(7, TapVerdict::Harmless, false),
        ]);
        assert_eq!(cure.command().as_deref(), Some("zcdiag mute --inode 1 --inode 2"));
        let others: Vec<_> = cure.others.iter().map(|other| (&other.taps[..], &other.what[..18])).collect();
        assert_eq!(
            others,
            [(&[3][..], "stop dhclient (pid"), (&[5, 6][..], "restart dhclient (")],
            "{cure:?}"
        );
        assert_eq!(cure.doubtful, [8]);
        assert!(smallest([]).is_empty());
        assert_eq!(smallest([]).command(), None);
    }
}
