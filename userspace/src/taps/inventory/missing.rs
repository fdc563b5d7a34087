//! What could not be seen, in sentences with the cure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::words::plural,
    taps::budget::{Kind, LeftOut, Owner, Why},
};

/// Gaps met on the way.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Processes whose namespaces or descriptors may not be read.
    pub(crate) hidden_processes: usize,
    /// Whether there were more namespaces than may be kept open.
    pub(crate) too_many_namespaces: bool,
    /// Namespaces that could not be listed at all.
    pub(crate) closed_namespaces: BTreeSet<u32>,
    /// Namespaces that were read from outside, by a process in them.
    pub(crate) peeked_namespaces: BTreeSet<u32>,
    /// Namespaces that changed too fast, or whose answer was not understood.
    pub(crate) shaky_namespaces: BTreeSet<u32>,
    /// Namespaces whose devices could not be listed.
    pub(crate) nameless_namespaces: BTreeSet<u32>,
    /// Whether PACKET_DIAG was missing where a namespace could be entered.
    pub(crate) no_packet_diag: bool,
    /// Namespaces that there was no time for, or too many of one owner's.
    pub(crate) late_namespaces: BTreeSet<u32>,
    /// What was not looked at to the end.
    pub(crate) left_out: BTreeMap<Kind, LeftOut>,
    /// How many processes' mounts could not be read, with the first and the reason.
    pub(crate) unread_mounts: Option<(u64, Owner, String)>,
    /// Whether there was no time to look again at what had changed meanwhile.
    pub(crate) unsettled: bool,
    /// Packet sockets whose namespace could not be found.
    pub(crate) homeless_sockets: BTreeSet<u64>,
    /// Taps that nobody seems to hold.
    pub(crate) unheld_taps: usize,
    /// Taps whose options could not be read, with the last reason.
    pub(crate) unread_taps: Option<(usize, String)>,
}

impl Gaps {
    /// One sentence a gap; none if all could be seen.
    pub(crate) fn sentences(&self, root: bool) -> Vec<String> {
        let cure = if root {
            "run it on the host, outside containers, with CAP_SYS_ADMIN and CAP_SYS_PTRACE"
        } else {
            "run it as root (sudo)"
        };
        let mut sentences = Vec::new();
        if self.hidden_processes > 0 {
            let count = plural(self.hidden_processes as u64, "process");
            sentences.push(format!("open files and network namespaces of {count}: not permitted; {cure}"));
        }
        if self.too_many_namespaces {
            sentences.push(
                "some network namespaces: more than the limit on open files allows; ulimit -n 65536"
                    .to_owned(),
            );
        }
        if !self.closed_namespaces.is_empty() {
            let list = list(&self.closed_namespaces);
            sentences.push(format!("packet sockets of {list}: it could not be entered; {cure}"));
        }
        if !self.peeked_namespaces.is_empty() {
            let list = list(&self.peeked_namespaces);
            sentences.push(format!(
                "device names, fanout groups, rings and filters in {list}: it could not be entered; {cure}"
            ));
        }
        if !self.shaky_namespaces.is_empty() {
            let list = list(&self.shaky_namespaces);
            sentences.push(format!("some packet sockets of {list}: they kept changing; run it again"));
        }
        if !self.nameless_namespaces.is_empty() {
            let list = list(&self.nameless_namespaces);
            sentences.push(format!("device names in {list}: the kernel did not list them; run it again"));
        }
        if self.no_packet_diag {
            sentences.push(
                "rings, and fanout groups and filters where the socket could not be read: the kernel has no \
                 PACKET_DIAG; modprobe af_packet_diag"
                    .to_owned(),
            );
        }
        if !self.homeless_sockets.is_empty() {
            let count = plural(self.homeless_sockets.len() as u64, "packet socket");
            sentences.push(format!("{count} in network namespaces that could not be reached; {cure}"));
        }
        sentences.extend(self.left_out.iter().map(|(kind, left_out)| sentence(*kind, left_out)));
        if let Some((processes, first, why)) = &self.unread_mounts {
            let more = more(*processes, 1);
            sentences.push(format!("network namespaces mounted for {}{more}: {why}; {cure}", named(*first)));
        }
        if self.unsettled {
            sentences.push(
                "packet sockets and network namespaces that came meanwhile: there was no time to look again; run it \
                 again"
                    .to_owned(),
            );
        }
        if self.unheld_taps > 0 {
            let count = plural(self.unheld_taps as u64, "tap");
            sentences.push(format!(
                "who holds {count}: no process in sight has it open (hidden, in another PID namespace, or passed \
                 between processes right now); {cure}"
            ));
        }
        if let Some((unread, why)) = &self.unread_taps {
            let count = plural(*unread as u64, "tap");
            sentences.push(format!("whether {count} ignore outgoing packets: {why}; {cure}"));
        }
        sentences
    }
}

/// What was not looked at to the end of one kind, whose it is, and the cure.
fn sentence(kind: Kind, left_out: &LeftOut) -> String {
    let LeftOut { processes, first } = left_out;
    let (lost, of_what) = match kind {
        Kind::Threads => ("network namespaces of some threads", "threads"),
        Kind::Mounts => ("network namespaces mounted somewhere", "mounts"),
        Kind::Namespaces => ("packet sockets and links of some network namespaces", "network namespaces"),
        Kind::Descriptors => ("some open sockets and network namespaces", "open files"),
        Kind::Sockets => ("some packet sockets in network namespaces without processes", "open sockets"),
    };
    let whose: Vec<String> = first.iter().map(|(owner, _)| named(*owner)).collect();
    let whose = format!("{}{}", whose.join(", "), more(*processes, first.len() as u64));
    if first.iter().any(|(_, why)| *why == Why::TooMuch) {
        format!(
            "{lost}: the {of_what} of {whose} are more than zcdiag reads; end what has so many, and run it again"
        )
    } else {
        format!(
            "{lost}: the {of_what} of {whose} could not be read in time; run it again when the machine is less busy"
        )
    }
}

/// A process, so that it can be found and spoken of.
fn named(owner: Owner) -> String {
    format!("process {} (user {})", owner.pid, owner.uid)
}

/// How many there are besides those that are named.
fn more(all: u64, named: u64) -> String {
    match all.saturating_sub(named) {
        0 => String::new(),
        more => format!(" and {} more", plural(more, "process")),
    }
}

impl Gaps {
    /// Whether there may be namespaces, or packet sockets in some, that were not found at all.
    pub(crate) fn hide(&self) -> bool {
        self.hidden_processes > 0
            || self.too_many_namespaces
            || self.unsettled
            || self.unread_mounts.is_some()
            || !self.left_out.is_empty()
            || !self.homeless_sockets.is_empty()
    }
}

/// The first few of a set of namespaces.
fn list(namespaces: &BTreeSet<u32>) -> String {
    let shown: Vec<_> = namespaces.iter().take(3).map(u32::to_string).collect();
    let more = namespaces.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let noun = if namespaces.len() == 1 { "network namespace" } else { "network namespaces" };
    format!("{noun} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::Gaps;

    #[test]
    fn nothing_missing_nothing_said() {
        assert!(Gaps::default().sentences(true).is_empty());
    }

    #[test]
    fn sentences_carry_the_cure() {
        let gaps = Gaps { hidden_processes: 1, closed_namespaces: (1..=5).collect(), ..Gaps::default() };
        assert_eq!(
            gaps.sentences(false),
            [
                "open files and network namespaces of 1 process: not permitted; run it as root (sudo)",
                "packet sockets of network namespaces 1, 2, 3 and 2 more: it could not be entered; run it as root (sudo)",
            ]
        );
    }
}
