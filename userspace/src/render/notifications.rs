//! Notifications in words: those that have come, and those that are still to come.

use super::{
    connections,
    words::{plural, time},
};
use crate::model::{
    counts::Waiting,
    latency::Ages,
    report::SenderReport,
    socket::{TCP, UDP},
};

/// That a sender waits, and why, as far as that is seen.
pub(crate) fn waits(waiting: &Waiting, row: &SenderReport) -> String {
    let (is, whose) = if waiting.notifications == 1 { ("is", "its") } else { ("are", "their") };
    format!(
        "{} {is} still to come, the oldest for {}: {whose} sends are not counted; {}",
        plural(waiting.notifications, "notification"),
        time(waiting.oldest),
        held_by(row)
    )
}

/// What holds notifications up, or what would tell.
pub(crate) fn held_by(row: &SenderReport) -> String {
    let told = connections::held_by(row);
    if !told.is_empty() {
        return told.join("; ");
    }
    match row.sender.protocol {
        TCP => {
            "the peer has not acknowledged all of the data, or has closed its window, or it was not sent yet: `ss -tinm` tells \
             (unacked, notsent, snd_wnd)"
        }
        UDP => {
            "the packets are held by a queue discipline (`tc -s qdisc`), for want of a neighbour (`ip neigh`), by the device or \
             by a receiver on this machine"
        }
        _ => "what holds the packets is not seen",
    }
    .to_owned()
}

/// For how long notifications were waited for.
pub(crate) fn ages(ages: Ages) -> String {
    let Ages { timed, least, median, p99, most } = ages;
    format!(
        "from send to notification: {} at least, {} at the median, 99 % within {}, {} at most ({timed} timed)",
        time(least),
        time(median),
        time(p99),
        time(most)
    )
}
