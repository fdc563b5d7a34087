//! Sockets, holders and options put together into taps.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    model::{
        handler::Handler,
        kernel::fanout_flag_obeyed,
        netns::{Device, Namespace, Netns},
        process::ProcessIdentity,
        tap::{Binding, Fanout, FanoutGroup, Holder, Libraries, PacketProtocol, Tap},
    },
    process::{ProcRoot, identify},
    taps::{
        fds::SocketFd,
        inventory::{found::Inventory, missing::Gaps, survey::Survey},
        libraries,
        options::{self, LiveOptions},
        packet::PacketSocket,
        programs::Programs,
        ptype::PacketHandler,
    },
};

/// Joins a survey into an inventory.
pub(crate) fn join(proc: &ProcRoot, survey: Survey) -> Inventory {
    let Survey { here, census, mut listings, descriptors, gaps, deadline } = survey;
    let kernel = proc.release().ok();
    let mut joiner = Joiner {
        proc,
        gaps,
        identities: HashMap::new(),
        flag_obeyed: kernel.as_deref().and_then(fanout_flag_obeyed),
        uptime: proc.uptime(),
        deadline,
    };
    let mut taps = Vec::new();
    let mut namespaces = Vec::new();
    let mut listed = Vec::new();
    for (inum, found) in census.namespaces {
        let netns = Netns { inum, name: found.name };
        let listing = listings.remove(&inum);
        let (mut sockets, devices, others) =
            listing.map_or_else(Default::default, |l| (l.sockets, l.devices, l.handlers));
        if !others.is_empty() {
            listed.push((netns.clone(), devices.clone(), others));
        }
        sockets.sort_by_key(|socket| socket.inode);
        for socket in sockets {
            let fds = descriptors.holders(socket.inode);
            taps.extend(joiner.tap(socket, &netns, devices.as_deref(), fds));
        }
        namespaces.push(Namespace { netns, devices });
    }
    read_libraries(proc, &mut taps);
    let gaps = joiner.gaps;
    let missing = gaps.sentences(rustix::process::geteuid().is_root());
    Inventory {
        kernel,
        here,
        taps,
        handlers: handlers(listed),
        namespaces,
        programs: Programs::default(),
        unlisted: [&gaps.closed_namespaces, &gaps.shaky_namespaces, &gaps.late_namespaces]
            .into_iter()
            .flatten()
            .copied()
            .collect(),
        hidden: gaps.hide(),
        complete: missing.is_empty(),
        missing,
    }
}

/// Notes which libraries those have mapped whose taps may be given outgoing packets.
fn read_libraries(proc: &ProcRoot, taps: &mut [Tap]) {
    let hears = |tap: &&mut Tap| tap.protocol == PacketProtocol::ALL && tap.ignores_outgoing() != Some(true);
    let mut holders: Vec<_> = taps.iter_mut().filter(hears).flat_map(|tap| &mut tap.holders).collect();
    let read = libraries::read(proc, holders.iter().map(|holder| holder.process.pid).collect());
    for holder in &mut holders {
        holder.libraries = read.get(&holder.process.pid).cloned().unwrap_or_default();
    }
}

struct Joiner<'proc> {
    proc: &'proc ProcRoot,
    gaps: Gaps,
    identities: HashMap<u32, Option<ProcessIdentity>>,
    flag_obeyed: Option<bool>,
    uptime: Option<Duration>,
    deadline: Instant,
}

impl Joiner<'_> {
    /// Joins what is known of one socket; `None` if it was closed meanwhile.
    fn tap(
        &mut self,
        socket: PacketSocket,
        netns: &Netns,
        devices: Option<&[Device]>,
        fds: &[SocketFd],
    ) -> Option<Tap> {
        let late = Instant::now() >= self.deadline;
        let live = if late {
            Err("there was no time to read it".to_owned())
        } else {
            options::read(fds).map_err(|error| error.to_string())
        };
        if let Err(error) = &live {
            if !fds.is_empty() && !fds.iter().any(|fd| fd.is_open(self.proc)) {
                return None;
            }
            let unread = self.gaps.unread_taps.as_ref().map_or(0, |(unread, _)| *unread);
            self.gaps.unread_taps = Some((unread + 1, error.clone()));
        }
        let live = live.ok();
        let holders: Vec<_> = fds.iter().filter_map(|fd| self.holder(*fd)).collect();
        if holders.is_empty() {
            self.gaps.unheld_taps += 1;
        }
        Some(Tap {
            inode: socket.inode,
            holders,
            netns: netns.clone(),
            binding: binding(socket.ifindex, devices),
            protocol: socket.protocol,
            socket_type: socket.socket_type,
            running: socket.running,
            ignore_outgoing: live.as_ref().map(|live| live.ignore_outgoing),
            fanout: fanout(&socket, live.as_ref(), self.flag_obeyed),
            ring: socket.detail.as_ref().map(|detail| detail.ring),
            promiscuous: socket.detail.as_ref().map(|detail| detail.promiscuous),
            filter: live.and_then(|live| live.filter).or(socket.detail.and_then(|detail| detail.filter)),
            uid: socket.uid,
        })
    }

    fn holder(&mut self, fd: SocketFd) -> Option<Holder> {
        let identity = self.identities.entry(fd.pid).or_insert_with(|| identify(self.proc, fd.pid));
        let process = identity.clone()?;
        let age = self.uptime.and_then(|uptime| uptime.checked_sub(since_boot(process.start_time)));
        Some(Holder { process, fd: Some(fd.fd), age, libraries: Libraries::NotRead })
    }
}

/// A number of clock ticks as a time.
fn since_boot(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks.saturating_mul(1000) / per_second)
}

/// Puts handlers together that several namespaces list.
fn handlers(listed: Vec<(Netns, Option<Vec<Device>>, Vec<PacketHandler>)>) -> Vec<Handler> {
    let mut found: Vec<Handler> = Vec::new();
    for (netns, devices, handlers) in listed {
        for PacketHandler { function, module, device } in handlers {
            let binding = device.map_or(Binding::Any, |name| {
                let device = devices.iter().flatten().find(|device| device.name == name);
                Binding::Device { ifindex: device.map_or(0, |device| device.ifindex), name: Some(name) }
            });
            let same = |other: &&mut Handler| {
                binding == Binding::Any
                    && other.binding == Binding::Any
                    && (&other.function, &other.module) == (&function, &module)
            };
            match found.iter_mut().find(same) {
                Some(other) => other.netns = None,
                None => found.push(Handler { netns: Some(netns.clone()), binding, function, module }),
            }
        }
    }
    found
}

fn binding(ifindex: i32, devices: Option<&[Device]>) -> Binding {
    match u32::try_from(ifindex) {
        Ok(0) => Binding::Any,
        Ok(ifindex) => {
            let device = devices.and_then(|devices| devices.iter().find(|device| device.ifindex == ifindex));
            Binding::Device { ifindex, name: device.map(|device| device.name.clone()) }
        }
        Err(_) => Binding::Gone,
    }
}

/// The fanout group from both sources: PACKET_DIAG knows membership, only the socket knows the flags.
fn fanout(socket: &PacketSocket, live: Option<&LiveOptions>, flag_obeyed: Option<bool>) -> Fanout {
    let option = live.map(|live| live.fanout);
    let (id, mode) = match (&socket.detail, option) {
        (Some(detail), _) => match detail.fanout {
            Some(group) => group,
            None => return Fanout::None,
        },
        (None, Some(Some(option))) => (option.id, option.mode),
        (None, Some(None)) => return Fanout::None,
        (None, None) => return Fanout::Unknown,
    };
    // A member for whom the option reads 0 is in group 0, mode hash, without flags.
    let flag = option.map(|option| option.is_some_and(|option| option.ignore_outgoing));
    let ignores_outgoing = match (flag, flag_obeyed) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    };
    Fanout::Member(FanoutGroup { id, mode, flag, ignores_outgoing })
}

#[cfg(test)]
mod tests {
    use super::{binding, fanout, handlers};
    use crate::{
        model::{
            netns::{Device, Netns},
            tap::{Binding, Fanout, PacketProtocol, PacketSocketType},
        },
        sys::sockopt::FanoutOption,
        taps::{
            options::LiveOptions,
            packet::{PacketDetail, PacketSocket},
            ptype::PacketHandler,
        },
    };

    #[test]
    fn bindings() {
        let v0 = Device { ifindex: 5, name: "v0".to_owned(), ..Device::default() };
        let devices = Some(&[v0][..]);
        let device = |name: Option<&str>| Binding::Device { ifindex: 5, name: name.map(str::to_owned) };
        assert_eq!(binding(0, devices), Binding::Any);
        assert_eq!(binding(-1, devices), Binding::Gone);
        assert_eq!(binding(5, devices), device(Some("v0")));
        assert_eq!(binding(5, None), device(None));
    }

    #[test]
    fn a_handler_that_several_namespaces_list_is_one() {
        let netns = |inum| Netns { inum, name: None };
        let v0 = Device { ifindex: 5, name: "v0".to_owned(), ..Device::default() };
        let handler = |device: Option<&str>| PacketHandler {
            function: "spy".to_owned(),
            module: Some("spymod".to_owned()),
            device: device.map(str::to_owned),
        };
        let found = handlers(vec![
            (netns(1), Some(vec![v0]), vec![handler(Some("v0")), handler(None)]),
            (netns(2), None, vec![handler(None), handler(Some("v9"))]),
        ]);
        let places: Vec<_> = found.iter().map(|h| (h.netns.as_ref().map(|n| n.inum), &h.binding)).collect();
        let device = |ifindex, name: &str| Binding::Device { ifindex, name: Some(name.to_owned()) };
        let (v0, v9) = (device(5, "v0"), device(0, "v9"));
        assert_eq!(places, [(Some(1), &v0), (None, &Binding::Any), (Some(2), &v9)]);
    }

    /// What a source says: nothing, no group, or a group with or without the flag.
    #[derive(Debug, Clone, Copy)]
    enum Says {
        Nothing,
        Alone,
        Member { flag: bool },
    }

    #[test]
    fn fanout_from_both_sources() {
        use Says::{Alone, Member, Nothing};
        let (plain, flagged) = (Member { flag: false }, Member { flag: true });
        // PACKET_DIAG, the socket, whether the kernel obeys: whether the group ignores outgoing packets.
        let cases = [
            (Alone, Alone, Some(true), "none"),
            (Alone, Nothing, Some(true), "none"),
            (plain, plain, Some(true), "Some(false)"),
            (plain, Alone, Some(true), "Some(false)"),
            (plain, flagged, Some(true), "Some(true)"),
            (plain, flagged, Some(false), "Some(false)"),
            (plain, flagged, None, "None"),
            (plain, Nothing, Some(true), "None"),
            (plain, Nothing, Some(false), "Some(false)"),
            (Nothing, flagged, Some(true), "Some(true)"),
            (Nothing, Alone, Some(true), "none"),
            (Nothing, Nothing, Some(true), "unknown"),
        ];
        for (diag, live, obeyed, expected) in cases {
            let detail = match diag {
                Nothing => None,
                Alone => Some(None),
                Member { .. } => Some(Some((7, 1))),
            };
            let socket = PacketSocket {
                inode: 1,
                socket_type: PacketSocketType::Raw,
                protocol: PacketProtocol::ALL,
                ifindex: 0,
                running: true,
                uid: None,
                detail: detail.map(|fanout| PacketDetail {
                    ring: false,
                    fanout,
                    filter: None,
                    promiscuous: false,
                }),
            };
            let live = match live {
                Nothing => None,
                Alone => Some(None),
                Member { flag } => Some(Some(FanoutOption { id: 7, mode: 1, ignore_outgoing: flag })),
            };
            let live = live.map(|fanout| LiveOptions { ignore_outgoing: true, fanout, filter: None });
            let found = match fanout(&socket, live.as_ref(), obeyed) {
                Fanout::None => "none".to_owned(),
                Fanout::Unknown => "unknown".to_owned(),
                Fanout::Member(group) => format!("{:?}", group.ignores_outgoing),
            };
            assert_eq!(found, expected, "{diag:?} {live:?} {obeyed:?}");
        }
    }
}
