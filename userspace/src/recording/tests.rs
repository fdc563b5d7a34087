//! What is recorded comes back, whole or up to where it is cut off.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use zcdiag_wire::{
    DropKey, Failure, FailureKey, Latency, SenderKey, SiteKey, SiteKind, Tally, TallyKey, TapKey, TapTally,
};

use super::{Event, Player, ReadError, Recorder};
use crate::{
    diagnose::{Culprits, Filter, Known, SiteFacts},
    model::{
        connection::{ConnectionCounts, ConnectionEnds, HeldBy},
        counts::{Counts, Waiting},
        device::{DeviceId, DeviceKey},
        dropped::DropFacts,
        further::{Onward, Stop},
        migration::Migration,
        path::{Hop, Passage},
        process::ProcessIdentity,
        report::CommandOutcome,
        sighting::Lifetime,
        split::Split,
        start::{Attachment, Start},
    },
    render::taps::tests::{dhclient, report as taps},
};

const SECOND: Duration = Duration::from_secs(1);

fn sender() -> SenderKey {
    SenderKey { start_ns: u64::MAX, tgid: 7, netns: 1, family: 2, protocol: 6, api: 0 }
}

fn site() -> SiteKey {
    SiteKey { kind: SiteKind::TAP_TX, stack: 0, ifindex: 5, netns: 1 }
}

fn counts(sends: u64) -> Counts {
    let tally = Tally {
        zerocopied_sends: 1,
        copied_sends: sends,
        zerocopied_bytes: 2,
        copied_bytes: 10 * sends,
        copies: 3,
        copy_bytes: 4,
        copy_ns: 5,
        ..Tally::default()
    };
    let mut counts = Counts { misses: sends, ..Counts::default() };
    counts.tallies.insert(TallyKey { sender: sender(), site: site() }, tally);
    counts.losses[1] = 2 * sends;
    let failed = FailureKey { sender: sender(), errno: 105, pad: 0 };
    counts.failures.insert(failed, Failure { sends, omem: 6, unread: 7, later: sends });
    let tap = TapKey { inode: 12354, netns: 1, ifindex: 5, incoming: 1, pad: 0 };
    counts.drops.insert(dropped(), sends);
    let mut latency = Latency { timed: sends, least_ns: 2_000, most_ns: 3_000, ..Latency::ZERO };
    latency.spans[5] = u32::try_from(sends).expect("few");
    counts.latencies.insert(sender(), latency);
    counts.taps.insert(tap, TapTally { packets: sends, first_ns: 8, last_ns: 9, ..TapTally::default() });
    counts
}

/// A sender, and for how long it waits.
fn waiting() -> BTreeMap<SenderKey, Waiting> {
    BTreeMap::from([(
        SenderKey::default(),
        Waiting { notifications: 4, sends: 9, oldest: Duration::from_millis(7) },
    )])
}

fn known() -> Known {
    let on_device = BTreeMap::from([(DeviceKey { netns: 1, ifindex: 5 }, BTreeSet::from([12354]))]);
    let mut judged = taps().taps;
    for (inode, tap) in (1..).zip(&mut judged) {
        tap.tap.inode = inode;
    }
    judged.push(dhclient());
    Known {
        kernel: "6.1.0".to_owned(),
        senders: BTreeMap::from([(
            sender(),
            ProcessIdentity { pid: 7, comm: "a\u{1b}\nb".to_owned(), ..ProcessIdentity::default() },
        )]),
        sites: BTreeMap::from([(
            site(),
            SiteFacts { device: "v0".to_owned(), stack: vec!["skb_copy_ubufs".to_owned()], offloads: None },
        )]),
        taps: judged.into_iter().map(|tap| (tap.tap.inode, tap)).collect(),
        culprits: Culprits {
            outgoing: on_device.clone(),
            incoming: on_device,
            onward: BTreeMap::from([onward()]),
        },
        lifetimes: BTreeMap::from([(1, Lifetime { opened: None, closed: Some(SECOND) })]),
        missing: vec!["a namespace".to_owned()],
        optmem_max: Some(20_480),
        migrations: vec![Migration { socket: "/run/q".to_owned(), missed: Some(3), ..Migration::default() }],
        drops: BTreeMap::from([(
            dropped(),
            DropFacts {
                device: "v0".to_owned(),
                reason: Some("QDISC_DROP".to_owned()),
                function: String::new(),
                unspecified: true,
            },
        )]),
        connections: Vec::new(),
        in_flight: None,
        waiting: BTreeMap::new(),
    }
}

fn connection() -> ConnectionCounts {
    let ends =
        ConnectionEnds { local: ([10, 9, 0, 1], 40_000).into(), remote: Some(([10, 9, 0, 2], 9).into()) };
    ConnectionCounts {
        sender: sender(),
        ends,
        route: Some(DeviceId { netns: 1, ifindex: 5, name: "v0".to_owned() }),
        sends: Split { zerocopied: 1, copied: 2 },
        bytes: Split { zerocopied: 3, copied: 4 },
        site: Some(site()),
        waiting: 1,
        oldest: Some(SECOND),
        held_by: Some(HeldBy::Retransmission(3)),
    }
}

fn dropped() -> DropKey {
    DropKey { sender: sender(), location: 9, reason: 3, ifindex: 5, netns: 1, copied: 0 }
}

/// A device whose packets meet a tap further on.
fn onward() -> (DeviceKey, Onward) {
    let device = DeviceId { netns: 1, ifindex: 6, name: "s0".to_owned() };
    let hop = Hop { device, passage: Passage::Out, certain: true, loopback: false };
    let stop = Stop { hop, taps: vec![1] };
    (DeviceKey { netns: 1, ifindex: 5 }, Onward { leaving: vec![stop.clone()], arriving: vec![stop] })
}

fn start() -> Start {
    let attachment =
        Attachment { function: "f".to_owned(), kind: "fentry".to_owned(), because: "so".to_owned() };
    Start { kernel: "6.1.0".to_owned(), attached: vec![attachment], degraded: vec!["less".to_owned()] }
}

fn filter() -> Filter {
    Filter { pid: vec![7], comm: vec!["x".to_owned()], ..Filter::default() }
}

fn command() -> CommandOutcome {
    CommandOutcome { argv: vec!["true".to_owned()], status: Some(0) }
}

/// A watch of three intervals; between the second and the third its taps close.
fn recorded() -> Vec<u8> {
    let mut recorder = Recorder::begin(Vec::new(), &start(), &filter(), 9).expect("write to memory");
    let latest = known().culprits;
    for (number, latest) in [(1, &latest), (2, &latest), (3, &Culprits::default())] {
        let now = SECOND * number;
        recorder.interval(&counts(number.into()), &known(), latest, now).expect("write to memory");
    }
    let known = Known { in_flight: Some(4), waiting: waiting(), connections: vec![connection()], ..known() };
    recorder.end(&counts(10), &known, Some(&command()), SECOND * 4).expect("write to memory")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(text.as_bytes()).and_then(|()| out.finish()).expect("write to memory")
}

#[test]
fn what_was_recorded_comes_back() {
    let recorded = recorded();
    let mut player = Player::open(recorded.as_slice()).expect("a recording");
    assert_eq!((&player.start, &player.filter, player.at_unix), (&start(), &filter(), 9));
    for number in 1..=3_u32 {
        let Some(Event::Interval(passed)) = player.play().expect("it can be read") else {
            panic!("an interval")
        };
        assert_eq!(passed.length, SECOND);
        let copied: Vec<u64> = passed.counts.tallies.values().map(|tally| tally.copied_sends).collect();
        assert_eq!((copied, passed.counts.misses, passed.counts.losses[1]), (vec![1], 1, 2));
        assert_eq!(player.counts, counts(number.into()));
        let tapped = number < 3;
        assert_eq!(player.latest == known().culprits, tapped);
        assert_eq!(player.known, known());
    }
    let Some(Event::End(passed, outcome)) = player.play().expect("it can be read") else { panic!("the end") };
    assert_eq!((passed.length, passed.counts.misses, outcome), (SECOND, 7, Some(command())));
    assert_eq!((&player.counts, player.elapsed), (&counts(10), SECOND * 4));
    let connections = vec![connection()];
    assert_eq!(player.known, Known { in_flight: Some(4), waiting: waiting(), connections, ..known() });
    assert!(player.play().expect("it can be read").is_none());
}

#[test]
fn wherever_it_is_cut_off_the_intervals_before_can_be_read() {
    let recorded = recorded();
    let mut intervals = 0;
    for length in 0..recorded.len() {
        let mut player = match Player::open(&recorded[..length]) {
            Ok(player) => player,
            Err(ReadError::Foreign) if intervals == 0 => continue,
            Err(error) => panic!("{length}: {error}"),
        };
        let error = loop {
            match player.play() {
                Ok(Some(_)) => (),
                Ok(None) => panic!("{length}: it has no end"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ReadError::CutOff), "{length}: {error}");
        let read = player.elapsed.as_secs();
        assert!(read >= intervals, "{length}: {read} after {intervals}");
        intervals = read;
    }
    assert_eq!(intervals, 4, "only the checksum was missing at last");
}

#[test]
fn what_is_no_recording_is_told_from_one_of_another_version() {
    for foreign in [&b""[..], b"GIF89a", b"{\"zcdiag_recording\":1}\n", &gzip(""), &gzip("{\"schema\":1}\n")]
    {
        assert!(matches!(Player::open(foreign).err(), Some(ReadError::Foreign)), "{foreign:?}");
    }
    let later = gzip("{\"zcdiag_recording\":9,\"written_by\":\"7.0\",\"new\":[]}\n");
    let error = Player::open(later.as_slice()).err().expect("another version").to_string();
    assert_eq!(error, "zcdiag 7.0 recorded it in format 9, and this zcdiag reads formats up to 2");
}

#[test]
fn damage_is_found() {
    let recorded = recorded();
    for at in 10..recorded.len() {
        let mut damaged = recorded.clone();
        damaged[at] ^= 0x10;
        let Ok(mut player) = Player::open(damaged.as_slice()) else { continue };
        let found = loop {
            match player.play() {
                Ok(Some(_)) => (),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        // Some bits between two parts of the compressed text mean nothing.
        let unharmed = player.counts == counts(10)
            && player.known
                == Known {
                    in_flight: Some(4),
                    waiting: waiting(),
                    connections: vec![connection()],
                    ..known()
                };
        assert!(found || unharmed, "at {at}");
    }
}

/// How playing a recording ends that goes on like this after its first line.
fn played(rest: &str) -> ReadError {
    let first = text(&recorded()).lines().next().expect("a first line").to_owned();
    let recording = gzip(&format!("{first}\n{rest}"));
    end_of(&recording)
}

fn end_of(recording: &[u8]) -> ReadError {
    let mut player = Player::open(recording).expect("a recording");
    loop {
        match player.play() {
            Ok(Some(_)) => (),
            Ok(None) => panic!("it is taken as whole"),
            Err(error) => break error,
        }
    }
}

fn text(recording: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(recording).read_to_string(&mut text).expect("text");
    text
}

fn interval(until_ns: u64) -> String {
    format!(
        "{{\"interval\":{{\"until_ns\":{until_ns},\"tallies\":[],\"failures\":[],\"losses\":[],\"misses\":0}}}}\n"
    )
}

#[test]
fn the_end_is_the_end() {
    let whole = recorded();
    let sender =
        text(&whole).lines().find(|line| line.starts_with("{\"sender\"")).expect("a sender").to_owned();
    let appended = [
        (whole.clone(), "behind its end"),
        (b"more".to_vec(), "behind its end"),
        (vec![0; 512], "behind its end"),
    ];
    for (more, said) in appended {
        let error = end_of(&[whole.clone(), more].concat());
        assert!(matches!(error, ReadError::Damaged(_)) && error.to_string().contains(said), "{error}");
    }
    for more in [format!("{sender}\n"), interval(9_000_000_000), "nonsense\n".to_owned()] {
        let error = end_of(&gzip(&format!("{}{more}", text(&whole))));
        assert!(error.to_string().contains("goes on after its end"), "{error}");
    }
}

#[test]
fn time_goes_forward() {
    let error = played(&[interval(2), interval(2), interval(1)].concat());
    assert!(error.to_string().contains("time runs backwards"), "{error}");
}

#[test]
fn what_would_fill_the_memory_is_refused() {
    let too_much = |rest: &str, what: &str| {
        let error = played(rest);
        assert!(matches!(error, ReadError::TooMuch { .. }) && error.to_string().contains(what), "{error}");
    };
    too_much(&format!("{{\"missing\":[\"\"{}]}}\n", ",\"\"".repeat(6 << 20)), "bytes in one line");
    too_much(&format!("{{\"missing\":[\"\"{}]}}\n", ",\"\"".repeat(1 << 16)), "what was not seen");
    let taps: Vec<String> = (0..5000).map(|inode| inode.to_string()).collect();
    let devices = format!("{{\"outgoing\":[[[1,5],[{}]]],\"incoming\":[]}}", taps.join(","));
    let culprits = format!("{{\"culprits\":{{\"ever\":{devices},\"latest\":{devices}}}}}\n");
    too_much(&culprits, "taps on one device");
}
