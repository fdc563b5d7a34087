//! What each connection has sent, and what holds its notifications up.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use zcdiag_wire::{Connection, ConnectionSite, Ends, SenderKey, SiteKey, Uarg};

use super::names::text;
use crate::model::{
    connection::{ConnectionCounts, ConnectionEnds, KEPT},
    counts::own_part,
    device::DeviceId,
    socket::{INET, INET6, TCP},
    split::Split,
};

/// The busiest connections of each sender; those with sends on their way come first. Of `uargs` those that have ended were
/// copied, and are counted nowhere yet.
pub(super) fn busiest<'a>(
    mut connections: BTreeMap<u32, Connection>,
    uargs: impl Iterator<Item = &'a Uarg>,
    now_ns: u64,
) -> Vec<ConnectionCounts> {
    let mut waiting: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for uarg in uargs {
        let Some(connection) = connections.get_mut(&uarg.connection) else { continue };
        if uarg.ended == 1 {
            let (sends, bytes) = own_part(uarg);
            if sends == 0 {
                continue;
            }
            connection.others.site = uarg.site;
            connection.others.copied_sends += sends;
            connection.others.copied_bytes += bytes;
            continue;
        }
        let (notifications, oldest) = waiting.entry(uarg.connection).or_insert((0, u64::MAX));
        *notifications += 1;
        *oldest = (*oldest).min(uarg.born_ns);
    }
    let mut by_sender: BTreeMap<SenderKey, Vec<ConnectionCounts>> = BTreeMap::new();
    for (place, connection) in &connections {
        let waiting = waiting.get(place).map(|(notifications, born_ns)| {
            (*notifications, Duration::from_nanos(now_ns.saturating_sub(*born_ns)))
        });
        let counts = counts(connection, waiting);
        // Of other families, and of a stream that was not connected yet at its first send, the ends are not known.
        let (INET | INET6) = connection.sender.family else { continue };
        if connection.sender.protocol == TCP && counts.ends.remote.is_none() {
            continue;
        }
        if counts.sends.total() + counts.waiting > 0 {
            by_sender.entry(connection.sender).or_default().push(counts);
        }
    }
    let busiest = by_sender.into_values().flat_map(|mut rows| {
        rows.sort_by_key(|row| Reverse((row.waiting, row.sends.total())));
        rows.truncate(KEPT);
        rows
    });
    busiest.collect()
}

fn counts(connection: &Connection, waiting: Option<(u64, Duration)>) -> ConnectionCounts {
    let Connection { sender, site, site_is, plain, copied, ends, others } = connection;
    let settled = *site_is == ConnectionSite::SETTLED && copied.copied_sends > 0;
    let sites = [
        (settled.then_some(*site), copied.copied_sends),
        (Some(others.site), others.copied_sends),
        (Some(SiteKey::NONE), plain.copied_sends),
    ];
    let most = sites.into_iter().filter(|(_, sends)| *sends > 0).max_by_key(|(_, sends)| *sends);
    ConnectionCounts {
        sender: *sender,
        ends: between(ends, sender.family),
        route: (ends.ifindex != 0).then(|| DeviceId {
            netns: ends.netns,
            ifindex: ends.ifindex,
            name: text(&ends.dev_name),
        }),
        sends: Split {
            zerocopied: plain.zerocopied_sends + copied.zerocopied_sends + others.zerocopied_sends,
            copied: plain.copied_sends + copied.copied_sends + others.copied_sends,
        },
        bytes: Split {
            zerocopied: plain.zerocopied_bytes + copied.zerocopied_bytes + others.zerocopied_bytes,
            copied: plain.copied_bytes + copied.copied_bytes + others.copied_bytes,
        },
        site: most.and_then(|(site, _)| site),
        waiting: waiting.map_or(0, |(notifications, _)| notifications),
        oldest: waiting.map(|(_, oldest)| oldest),
        held_by: None,
    }
}

fn between(ends: &Ends, family: u16) -> ConnectionEnds {
    let address = |bytes: &[u8; 16]| {
        if family == INET6 {
            IpAddr::V6(Ipv6Addr::from(*bytes)).to_canonical()
        } else {
            let [a, b, c, d, ..] = *bytes;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
    };
    let remote_port = u16::from_be(ends.remote_port);
    let remote = (remote_port != 0).then(|| SocketAddr::new(address(&ends.remote), remote_port));
    ConnectionEnds { local: SocketAddr::new(address(&ends.local), ends.local_port), remote }
}

#[cfg(test)]
mod tests {
    use zcdiag_wire::{Others, Tally, UargEnd};

    use super::*;

    fn connection(port: u16, sends: u64) -> Connection {
        let mut ends = Ends { local_port: 40_000, remote_port: port.to_be(), ..Ends::default() };
        ends.local[..4].copy_from_slice(&[10, 9, 0, 1]);
        ends.remote[..4].copy_from_slice(&[10, 9, 0, 2]);
        let plain = Tally { zerocopied_sends: sends, zerocopied_bytes: 10 * sends, ..Tally::ZERO };
        Connection {
            sender: SenderKey { family: 2, ..SenderKey::default() },
            plain,
            ends,
            ..Connection::default()
        }
    }

    #[test]
    fn a_connection_has_all_that_was_counted_for_it() {
        let site = SiteKey { kind: 4, stack: 1, ifindex: 5, netns: 1 };
        let others = Others { site, copied_sends: 3, copied_bytes: 30, ..Others::default() };
        let connections = BTreeMap::from([(1, Connection { others, ..connection(80, 2) })]);
        let under_way = |born_ns| Uarg { connection: 1, born_ns, ..Uarg::default() };
        let end = UargEnd { len: 2, bytes: 20, ..UargEnd::default() };
        let ended =
            Uarg { connection: 1, site, ended: 1, others: 1, others_bytes: 10, end, ..Uarg::default() };
        let uargs = [under_way(400), under_way(300), ended];
        let rows = busiest(connections, uargs.iter(), 1000);
        let row = &rows[0];
        assert_eq!(row.sends, Split { zerocopied: 2, copied: 4 });
        assert_eq!((row.bytes, row.site), (Split { zerocopied: 20, copied: 40 }, Some(site)));
        assert_eq!((row.waiting, row.oldest), (2, Some(Duration::from_nanos(700))));
        assert_eq!(row.ends.local.to_string(), "10.9.0.1:40000");
        assert_eq!(row.ends.remote.map(|remote| remote.to_string()).as_deref(), Some("10.9.0.2:80"));
    }

    #[test]
    fn of_many_the_busiest_are_kept_and_those_that_wait() {
        let count = u32::try_from(KEPT).expect("few") + 10;
        let mut connections: BTreeMap<u32, Connection> =
            (1..=count).map(|place| (place, connection(1, place.into()))).collect();
        connections.insert(count + 1, connection(2, 0));
        connections.insert(count + 2, connection(3, 0));
        let waits = [Uarg { connection: count + 2, ..Uarg::default() }];
        let rows = busiest(connections, waits.iter(), 0);
        assert_eq!(rows.len(), KEPT);
        assert_eq!(rows[0].ends.remote.map(|remote| remote.port()), Some(3));
        assert_eq!(rows[1].sends.total(), u64::from(count));
    }
}
