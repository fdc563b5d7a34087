use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

use super::*;
use crate::{model::report::Split, probe::options::Timestamping};

fn options(transport: Transport) -> SendOptions {
    SendOptions {
        transport,
        method: Method::Zerocopy,
        count: 3,
        sizes: vec![700],
        pieces: NonZeroU16::MIN,
        gso: None,
        more: false,
        timestamping: None,
        read_every: NonZeroU64::MIN,
        keep_going: false,
        timeout: Duration::from_secs(30),
        interval: Duration::ZERO,
    }
}

fn to(address: SocketAddr) -> [Endpoint; 1] {
    [Endpoint::Inet(address)]
}

/// A datagram socket of this machine that takes everything, and where it is.
fn sink() -> (UdpSocket, [Endpoint; 1]) {
    let sink = UdpSocket::bind("127.0.0.1:0").expect("bind to loopback");
    let address = sink.local_addr().expect("bound");
    (sink, to(address))
}

#[test]
fn every_datagram_is_accounted_for() {
    let (_sink, to) = sink();
    let report = run(&to, &options(Transport::Udp)).expect("loopback works");
    assert_eq!(report.sends, Split { zerocopied: 0, copied: 3 }, "a local receiver gets a copy");
    assert_eq!(report.bytes, Split { zerocopied: 0, copied: 2100 });
    assert_eq!((report.unanswered, report.errors.len()), (0, 0));
    assert_eq!((report.notifications.messages, report.notifications.merged.len()), (3, 0));
}

#[test]
fn sizes_take_turns() {
    let (_sink, to) = sink();
    let options = SendOptions { sizes: vec![100, 20], ..options(Transport::Udp) };
    let report = run(&to, &options).expect("loopback works");
    assert_eq!((report.sends.copied, report.bytes.copied), (3, 220));
}

#[test]
fn pieces_of_memory_are_one_send() {
    let (sink, to) = sink();
    let pieces = NonZeroU16::new(8).expect("not 0");
    let options = SendOptions { pieces, sizes: vec![701, 8], ..options(Transport::Udp) };
    let report = run(&to, &options).expect("loopback works");
    assert_eq!((report.sends.copied, report.bytes.copied), (3, 1410));
    let mut room = [0; 1000];
    let sizes = [(); 3].map(|()| sink.recv(&mut room).expect("a datagram"));
    assert_eq!(sizes, [701, 8, 701]);
    assert!(room[..701].iter().all(|byte| *byte == room[0]) && room[0] != 0);
}

#[test]
fn a_queue_read_late_gives_one_notification_for_many_sends() {
    let (_sink, to) = sink();
    let options = SendOptions { read_every: NonZeroU64::MAX, ..options(Transport::Udp) };
    let report = run(&to, &options).expect("loopback works");
    assert_eq!((report.sends.total(), report.notifications.messages), (3, 1));
    let [merged] = report.notifications.merged[..] else { panic!("{report:?}") };
    assert_eq!((merged.lo, merged.hi), (0, 2));
}

#[test]
fn segments_of_one_send_are_one_send() {
    let (sink, to) = sink();
    let options = SendOptions { gso: Some(100), ..options(Transport::Udp) };
    let report = run(&to, &options).expect("loopback works");
    assert_eq!((report.sends.copied, report.bytes.copied), (3, 2100));
    let mut room = [0; 1000];
    assert_eq!(sink.recv(&mut room).expect("a datagram"), 100);
}

#[test]
fn two_sends_with_more_between_them_are_one_datagram() {
    let (sink, to) = sink();
    let options = SendOptions { more: true, count: 5, ..options(Transport::Udp) };
    let report = run(&to, &options).expect("loopback works");
    assert_eq!((report.sends.copied, report.unanswered), (5, 0));
    let mut room = [0; 2000];
    let sizes = [(); 3].map(|()| sink.recv(&mut room).expect("a datagram"));
    assert_eq!(sizes, [1400, 1400, 700]);
}

#[test]
fn timestamps_are_told_from_notifications() {
    let (_sink, to) = sink();
    for timestamping in [Timestamping::WithData, Timestamping::Alone] {
        let options = SendOptions { timestamping: Some(timestamping), ..options(Transport::Udp) };
        let report = run(&to, &options).expect("loopback works");
        assert_eq!((report.sends.copied, report.errors.len()), (3, 0), "{report:?}");
        // The last one may come after the last notification.
        assert!(report.notifications.timestamps >= 2, "{report:?}");
    }
}

#[test]
fn of_sends_without_zero_copy_nothing_is_told() {
    let (_sink, to) = sink();
    for method in [Method::Unallowed, Method::Copying] {
        let options = SendOptions { method, ..options(Transport::Udp) };
        let report = run(&to, &options).expect("loopback works");
        assert_eq!((report.untold, report.sends.total(), report.unanswered), (3, 0, 0));
    }
}

#[test]
fn sends_that_fail_are_counted_by_name_if_so_asked() {
    let (_sink, to) = sink();
    let large = SendOptions { sizes: vec![70_000, 700], ..options(Transport::Udp) };
    let error = run(&to, &large).expect_err("no datagram is so large");
    assert!(matches!(error, ProbeError::Send { number: 1, .. }), "{error:?}");
    let report = run(&to, &SendOptions { keep_going: true, ..large }).expect("failures are counted");
    assert_eq!(report.failed, [("EMSGSIZE".to_owned(), 2)].into());
    assert_eq!((report.sends.copied, report.unanswered), (1, 0));
}

#[test]
fn datagrams_that_nobody_wants_are_sent_all_the_same() {
    let closed = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let report = run(&to(closed.expect("bound")), &options(Transport::Udp)).expect("they can be sent");
    assert_eq!(report.sends.copied, 3);
    assert!(report.errors.get("ECONNREFUSED").is_some_and(|count| *count >= 2), "{:?}", report.errors);
}

#[test]
fn a_stream_is_accounted_for_without_being_read() {
    let sink = TcpListener::bind("127.0.0.1:0").expect("bind to loopback");
    let to = to(sink.local_addr().expect("bound"));
    let report = run(&to, &options(Transport::Tcp)).expect("loopback works");
    assert_eq!((report.sends.copied, report.bytes.copied), (3, 2100));
}

#[test]
fn the_next_address_is_tried_and_the_first_refusal_is_told() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("bound");
    let sink = TcpListener::bind("127.0.0.1:0").expect("bind to loopback");
    let (closed, open) = (Endpoint::Inet(closed), Endpoint::Inet(sink.local_addr().expect("bound")));
    let report = run(&[closed, open], &options(Transport::Tcp)).expect("the second works");
    assert_eq!(report.destination, open);
    let error = run(&[closed, closed], &options(Transport::Tcp)).expect_err("nobody listens");
    assert!(matches!(error, ProbeError::Unreachable { destination, .. } if destination == closed));
    assert!(error.cure().contains("zcdiag probe --listen"), "{}", error.cure());
}
