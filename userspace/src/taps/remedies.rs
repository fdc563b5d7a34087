//! What to do about an offending tap: for programs that are known, and in general.

use std::path::Path;

use crate::model::tap::{Binding, Fanout, Tap};

/// A program that is known to open taps, and what its administrator can do.
struct KnownProgram {
    /// Names of its executable or of its main thread.
    names: &'static [&'static str],
    /// Cures, best first.
    cures: &'static [&'static str],
}

const KNOWN_PROGRAMS: &[KnownProgram] = &[
    KnownProgram {
        names: &["dhclient"],
        cures: &["replace dhclient, which has no setting for this and is no longer maintained: \
                  systemd-networkd and NetworkManager's own DHCP client (dhcp=internal) open no such tap"],
    },
    KnownProgram {
        names: &["dhcpcd"],
        cures: &[
            "give the interface a static address, or use systemd-networkd or NetworkManager's own DHCP \
                  client, which open no such tap",
        ],
    },
    KnownProgram {
        names: &["lldpd"],
        cures: &["upgrade lldpd to 1.0.20 or later, which ignores outgoing packets"],
    },
    KnownProgram {
        names: &["NetworkManager"],
        cures: &[
            "turn LLDP off for the connection: nmcli connection modify CONNECTION connection.lldp disable",
        ],
    },
    KnownProgram {
        names: &["tcpdump", "dumpcap", "tshark", "wireshark"],
        cures: &["stop the capture when it is no longer needed; neither a filter nor -Q in avoids the copy"],
    },
    KnownProgram {
        names: &["suricata", "Suricata-Main", "zeek"],
        cures: &["capture on a device that carries no zero-copy sends, such as a mirror port"],
    },
    KnownProgram { names: &["ptp4l"], cures: &["use UDP transport (network_transport UDPv4) instead of L2"] },
    KnownProgram {
        names: &["isisd"],
        cures: &["run IS-IS only on interfaces that carry no zero-copy sends"],
    },
];

/// What to do about a tap that makes sends copy, best first.
pub fn remedies(tap: &Tap) -> Vec<String> {
    let mut remedies: Vec<String> = Vec::new();
    let fanout = matches!(tap.fanout, Fanout::Member(_));
    if !fanout {
        let inode = tap.inode;
        remedies.push(format!(
            "at once, without a restart: zcdiag mute --inode {inode} (the program then no longer sees what this \
             host sends)"
        ));
    }
    let known = KNOWN_PROGRAMS.iter().filter(|program| is_held_by(tap, program.names));
    let for_good: Vec<&str> = known.flat_map(|program| program.cures).copied().collect();
    if fanout {
        remedies.push(
            "have the program make its fanout group with PACKET_FANOUT_FLAG_IGNORE_OUTGOING (Linux 6.2); \
             a group that exists cannot be changed"
                .to_owned(),
        );
    } else if for_good.is_empty() {
        remedies.push("have the program set PACKET_IGNORE_OUTGOING on its socket (Linux 4.20)".to_owned());
    }
    remedies.extend(for_good.into_iter().map(|cure| format!("for good: {cure}")));
    if tap.binding == Binding::Any {
        remedies.push("have the program bind to the one device it needs".to_owned());
    }
    remedies
}

/// Whether a program of one of these names has the tap open.
pub(super) fn is_held_by(tap: &Tap, names: &[&str]) -> bool {
    tap.holders.iter().any(|holder| {
        let exe = holder.process.exe.as_deref().map(|exe| exe.strip_suffix(" (deleted)").unwrap_or(exe));
        let exe = exe.and_then(|exe| Path::new(exe).file_name()?.to_str());
        names.iter().any(|name| exe == Some(name) || holder.process.comm == *name)
    })
}

#[cfg(test)]
mod tests {
    use super::remedies;
    use crate::model::{
        netns::Netns,
        process::ProcessIdentity,
        tap::{Binding, Fanout, FanoutGroup, Holder, PacketProtocol, PacketSocketType, Tap},
    };

    fn held_by(comm: &str, exe: Option<&str>) -> Tap {
        let process = ProcessIdentity {
            pid: 812,
            comm: comm.to_owned(),
            exe: exe.map(str::to_owned),
            uid: Some(0),
            unit: None,
            container: None,
            pod: None,
            start_time: 1,
        };
        Tap {
            inode: 12354,
            holders: vec![Holder { process, fd: 7 }],
            netns: Netns { inum: 1, name: None },
            binding: Binding::Device { ifindex: 5, name: None },
            protocol: PacketProtocol::ALL,
            socket_type: PacketSocketType::Raw,
            running: true,
            ignore_outgoing: Some(false),
            fanout: Fanout::None,
            ring: None,
            filter: None,
            uid: None,
        }
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
            let remedies = remedies(&held_by(comm, exe));
            assert!(remedies[0].contains("zcdiag mute --inode 12354"), "{comm}: {remedies:?}");
            assert!(remedies[1].starts_with(expected), "{comm}: {remedies:?}");
        }
    }

    #[test]
    fn a_fanout_group_cannot_be_muted() {
        let group = FanoutGroup { id: 1, mode: 0, flag: Some(false), ignores_outgoing: Some(false) };
        let tap = Tap { fanout: Fanout::Member(group), binding: Binding::Any, ..held_by("x", None) };
        let remedies = remedies(&tap);
        assert!(remedies[0].contains("PACKET_FANOUT_FLAG_IGNORE_OUTGOING"), "{remedies:?}");
        assert!(remedies.iter().all(|remedy| !remedy.contains("mute")), "{remedies:?}");
        assert!(remedies[1].contains("bind to the one device"), "{remedies:?}");
    }
}
