//! A sender's sends by connection, destination or device.

use std::{cmp::Reverse, collections::BTreeMap};

use schemars::JsonSchema;
use serde::Serialize;

use super::{json::SplitJson, lines::harmless, words::plural};
use crate::{
    model::{
        connection::{By, ConnectionReport, HeldBy, KEPT},
        report::{SenderReport, Split},
    },
    render::taps::json::AtJson,
};

/// Rows of text for one sender.
const SHOWN: usize = 10;

/// What a sender's sends are broken down into, busiest first, and the rest of them.
pub(crate) fn lines(row: &SenderReport, by: By) -> Vec<String> {
    let mut groups: BTreeMap<String, (Split, u64, BTreeMap<String, u64>)> = BTreeMap::new();
    for connection in &row.connections {
        let (sends, waiting, causes) = groups.entry(name(connection, by)).or_default();
        sends.add(connection.counts.sends);
        *waiting += connection.counts.waiting;
        let of_this = connection.cause.as_ref().map(|(cause, device)| match device {
            Some(device) if by != By::Device => format!("{cause} on {}", harmless(&device.name)),
            _ => cause.to_string(),
        });
        if let Some(cause) = of_this {
            *causes.entry(cause).or_default() += connection.counts.sends.copied;
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (sends, ..))| Reverse((sends.total(), sends.copied)));
    let mut rest = row.sends;
    let mut lines = Vec::new();
    for (name, (sends, waiting, causes)) in groups.iter().take(SHOWN) {
        rest = minus(rest, *sends);
        let waits = if *waiting > 0 { format!(", {waiting} to come") } else { String::new() };
        let most = causes.iter().max_by_key(|(_, copied)| **copied).map(|(cause, _)| cause);
        let cause = match (most, causes.len()) {
            (None, _) => String::new(),
            (Some(cause), 1) => format!(", {cause}"),
            (Some(cause), _) => format!(", mostly {cause}"),
        };
        lines.push(format!("{name}: zc=y {}, zc=n {}{waits}{cause}", sends.zerocopied, sends.copied));
    }
    if rest.total() > 0 {
        let more = groups.len().saturating_sub(SHOWN);
        let of = if row.connections.len() >= KEPT {
            "all others".to_owned()
        } else if more == 0 {
            "counted by no connection".to_owned()
        } else {
            plural(more as u64, "other")
        };
        lines.push(format!("{of}: zc=y {}, zc=n {}", rest.zerocopied, rest.copied));
    }
    lines
}

/// Both counts may be of slightly different moments.
fn minus(one: Split, other: Split) -> Split {
    Split {
        zerocopied: one.zerocopied.saturating_sub(other.zerocopied),
        copied: one.copied.saturating_sub(other.copied),
    }
}

fn name(connection: &ConnectionReport, by: By) -> String {
    let ends = &connection.counts.ends;
    let remote = ends.remote.map_or_else(|| "any destination".to_owned(), |remote| remote.to_string());
    match by {
        By::Connection => format!("{} > {remote}", ends.local),
        By::Destination => remote,
        By::Device => {
            let copied = connection.cause.as_ref().and_then(|(_, device)| device.as_ref());
            let device = copied.or(connection.counts.route.as_ref());
            device.map_or_else(|| "no device known".to_owned(), |device| harmless(&device.name).into_owned())
        }
    }
}

/// What holds the notifications of a sender's TCP connections up, of those that were asked for; empty if none was.
pub(crate) fn held_by(row: &SenderReport) -> Vec<String> {
    let mut counts: BTreeMap<HeldBy, u64> = BTreeMap::new();
    for connection in &row.connections {
        if let Some(held) = connection.counts.held_by {
            *counts.entry(held).or_default() += 1;
        }
    }
    let one = |(held, count): (HeldBy, u64)| {
        let of = plural(count, "connection");
        match held {
            HeldBy::ClosedWindow => {
                format!("{of}: the peer has closed its window, or left too little of it")
            }
            HeldBy::HeldBack => format!(
                "{of}: nothing is on its way, what is left is held back on this side (as by TCP_CORK or MSG_MORE)"
            ),
            HeldBy::Retransmission(times) => {
                format!("{of}: the peer does not acknowledge, the kernel has sent again {times} times")
            }
            HeldBy::Acknowledgement => format!("{of}: the peer has not acknowledged all of the data yet"),
            HeldBy::Handshake => format!("{of}: not connected yet"),
        }
    };
    counts.into_iter().map(one).collect()
}

/// One of the busiest connections of a sender.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ConnectionJson<'a> {
    /// Address and port on this side, when the process first sent on the socket.
    local: String,
    /// On the other side; `null` if the socket is not connected.
    remote: Option<String>,
    /// The device that copied most of its copied sends, else that of its route.
    device: Option<AtJson<'a>>,
    /// Why most of its copied sends were copied; `null` if none was, or that is not known.
    cause: Option<&'static str>,
    sends: SplitJson,
    bytes: SplitJson,
    /// Notifications that are still to come.
    waiting: u64,
    oldest_seconds: Option<f64>,
    /// `closed_window`, `held_back`, `retransmission`, `acknowledgement` or `handshake`; `null` if nothing is to come or that is not known.
    held_by: Option<&'static str>,
}

impl<'a> From<&'a ConnectionReport> for ConnectionJson<'a> {
    fn from(ConnectionReport { counts, cause }: &'a ConnectionReport) -> Self {
        let copied = cause.as_ref().and_then(|(_, device)| device.as_ref());
        Self {
            local: counts.ends.local.to_string(),
            remote: counts.ends.remote.map(|remote| remote.to_string()),
            device: copied.or(counts.route.as_ref()).map(AtJson::from),
            cause: cause.as_ref().map(|(cause, _)| cause.name()),
            sends: counts.sends.into(),
            bytes: counts.bytes.into(),
            waiting: counts.waiting,
            oldest_seconds: counts.oldest.map(|oldest| oldest.as_secs_f64()),
            held_by: counts.held_by.map(|held| match held {
                HeldBy::ClosedWindow => "closed_window",
                HeldBy::HeldBack => "held_back",
                HeldBy::Retransmission(_) => "retransmission",
                HeldBy::Acknowledgement => "acknowledgement",
                HeldBy::Handshake => "handshake",
            }),
        }
    }
}

/// What of a sender's sends is of none of these connections.
pub(crate) fn rest(row: &SenderReport) -> Split {
    row.connections.iter().fold(row.sends, |rest, connection| minus(rest, connection.counts.sends))
}
