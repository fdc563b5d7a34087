//! What TCP sockets wait for whose notifications are still to come: the kernel is asked for each (`net/ipv4/inet_diag.c`).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{IpAddr, SocketAddr},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
    thread,
};

use crate::{
    model::{
        connection::{ConnectionCounts, HeldBy},
        socket::{INET6, TCP},
    },
    process::ProcRoot,
    sys::{
        netlink::{NetlinkSocket, attribute, u32_at},
        netns,
    },
};

/// `SOCK_DIAG_BY_FAMILY`
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// So many sockets are asked for.
const MOST: usize = 64;
/// In so many network namespaces.
const MOST_NAMESPACES: usize = 8;
/// Asks for `INET_DIAG_INFO`: `struct tcp_info`.
const INFO: u8 = 1 << (INET_DIAG_INFO - 1);
const INET_DIAG_INFO: u16 = 2;
/// `tcpi_notsent_bytes` and `tcpi_snd_wnd` (5.4 and later) in it.
const NOT_SENT: usize = 144;
const WINDOW: usize = 228;
/// Bytes of `struct inet_diag_msg`.
const MESSAGE: usize = 72;
/// `INET_DIAG_NOCOOKIE`
const NO_COOKIE: [u8; 8] = [0xff; 8];
/// Where names for network namespaces are.
const NAMED: &str = "/run/netns";

/// Asks for each of these connections that waits.
pub(super) fn ask(connections: &mut [ConnectionCounts], proc: &ProcRoot) {
    let mut by_netns: BTreeMap<u32, Vec<&mut ConnectionCounts>> = BTreeMap::new();
    let waiting = connections.iter_mut().filter(|row| row.waiting > 0 && row.sender.protocol == TCP);
    for row in waiting.take(MOST) {
        by_netns.entry(row.sender.netns).or_default().push(row);
    }
    for (netns, rows) in by_netns.into_iter().take(MOST_NAMESPACES) {
        let Some(handle) = open(netns, &rows, proc) else { continue };
        // setns(2) moves the calling thread, so a thread of its own makes the journey.
        thread::scope(|scope| {
            let visit = scope.spawn(move || {
                let socket = netns::enter(handle.as_fd()).and_then(|()| NetlinkSocket::sock_diag());
                let Ok(mut socket) = socket else { return };
                for row in rows {
                    row.held_by = held_by(&mut socket, row);
                }
            });
            // What could not be asked stays unknown.
            let _ = visit.join();
        });
    }
}

/// The network namespace of one of these senders, or, should they have gone, the named one of this number.
fn open(netns: u32, rows: &[&mut ConnectionCounts], proc: &ProcRoot) -> Option<File> {
    let of_process = |pid: u32| File::open(proc.path().join(format!("{pid}/ns/net"))).ok();
    let is_it = |file: &File| file.metadata().is_ok_and(|metadata| metadata.ino() == u64::from(netns));
    let own = of_process(std::process::id());
    let senders = rows.iter().filter_map(|row| of_process(row.sender.tgid));
    if let Some(found) = own.into_iter().chain(senders).find(is_it) {
        return Some(found);
    }
    let named = fs::read_dir(Path::new(NAMED))
        .ok()?
        .take(1024)
        .filter_map(|entry| File::open(entry.ok()?.path()).ok());
    named.into_iter().find(is_it)
}

fn held_by(socket: &mut NetlinkSocket, row: &ConnectionCounts) -> Option<HeldBy> {
    let remote = row.ends.remote?;
    let answer = socket.ask(SOCK_DIAG_BY_FAMILY, &request(row.sender.family, row.ends.local, remote)).ok()?;
    parse(&answer)
}

/// `struct inet_diag_req_v2`
fn request(family: u16, local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let [family_low, _] = family.to_le_bytes();
    let [protocol, _] = TCP.to_le_bytes();
    let mut request = vec![family_low, protocol, INFO, 0];
    request.extend(u32::MAX.to_ne_bytes()); // states: all
    request.extend(local.port().to_be_bytes());
    request.extend(remote.port().to_be_bytes());
    for address in [local.ip(), remote.ip()] {
        let mut bytes = [0; 16];
        match address {
            IpAddr::V4(address) if family == INET6 => bytes = address.to_ipv6_mapped().octets(),
            IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => bytes = address.octets(),
        }
        request.extend(bytes);
    }
    request.extend([0; 4]); // any device
    request.extend(NO_COOKIE);
    request
}

/// `struct inet_diag_msg`: family, state, timer and retransmissions are its first bytes, what is not acknowledged its
/// 60th.
fn parse(answer: &[u8]) -> Option<HeldBy> {
    const HANDSHAKE: [u8; 2] = [2, 3];
    const PROBES: u8 = 4;
    let [_, state, timer, again, ..] = *answer else { return None };
    let unacknowledged = u32_at(answer, 60)?;
    match (timer, again) {
        _ if HANDSHAKE.contains(&state) => Some(HeldBy::Handshake),
        _ if unacknowledged == 0 => None,
        (PROBES, _) => window_or_else(answer),
        (_, 0) => Some(HeldBy::Acknowledgement),
        (_, again) => Some(HeldBy::Retransmission(again)),
    }
}

/// The kernel's timer for a closed window runs as well while something holds back what is to be sent.
fn window_or_else(answer: &[u8]) -> Option<HeldBy> {
    let info = attribute(answer.get(MESSAGE..)?, INET_DIAG_INFO)?;
    let (not_sent, window) = (u32_at(info, NOT_SENT)?, u32_at(info, WINDOW)?);
    Some(if window < not_sent { HeldBy::ClosedWindow } else { HeldBy::HeldBack })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::put_attribute;

    fn answer(state: u8, timer: u8, again: u8, unacknowledged: u32) -> Vec<u8> {
        let mut answer = vec![2, state, timer, again];
        answer.resize(60, 0);
        answer.extend(unacknowledged.to_ne_bytes());
        answer.resize(MESSAGE, 0);
        answer
    }

    #[test]
    fn the_timer_tells_what_is_waited_for() {
        let probed = |window: u32| {
            let mut info = vec![0; WINDOW + 4];
            info[NOT_SENT..NOT_SENT + 4].copy_from_slice(&9_u32.to_ne_bytes());
            info[WINDOW..].copy_from_slice(&window.to_ne_bytes());
            let mut answer = answer(1, 4, 3, 9);
            put_attribute(&mut answer, INET_DIAG_INFO, &info);
            parse(&answer)
        };
        assert_eq!(probed(0), Some(HeldBy::ClosedWindow));
        assert_eq!(probed(8), Some(HeldBy::ClosedWindow));
        assert_eq!(probed(9000), Some(HeldBy::HeldBack));
        assert_eq!(parse(&answer(1, 4, 3, 9)), None, "without the window it is not known");
        assert_eq!(parse(&answer(1, 1, 2, 9)), Some(HeldBy::Retransmission(2)));
        assert_eq!(parse(&answer(1, 1, 0, 9)), Some(HeldBy::Acknowledgement));
        assert_eq!(parse(&answer(2, 1, 0, 0)), Some(HeldBy::Handshake));
        assert_eq!(parse(&answer(1, 0, 0, 0)), None);
        assert_eq!(parse(&answer(1, 0, 0, 9)[..40]), None);
    }

    #[test]
    fn a_socket_of_this_host_is_found_by_its_ends() {
        use std::{
            io::Write as _,
            net::{TcpListener, TcpStream},
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let mut stream = TcpStream::connect(listener.local_addr().expect("its address")).expect("connect");
        stream.set_nonblocking(true).expect("set");
        // Until the peer, which does not read, has no window any more.
        while stream.write(&[0; 1 << 13]).is_ok() {}
        let (local, remote) = (stream.local_addr().expect("bound"), stream.peer_addr().expect("connected"));
        let mut socket = NetlinkSocket::sock_diag().expect("netlink");
        let answer = socket.ask(SOCK_DIAG_BY_FAMILY, &request(2, local, remote)).expect("an answer");
        assert!(parse(&answer).is_some(), "{answer:?}");
    }
}
