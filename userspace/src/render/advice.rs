//! Advice in sentences.

use super::words::plural;
use crate::model::{advice::Advice, dropped::Dropped};

/// `16 packets with its data were dropped on this machine, on d0: QDISC_DROP, in __dev_queue_xmit ..`
fn dropped(dropped: &Dropped, again: bool) -> String {
    let Dropped { packets, facts, device } = dropped;
    let on = device.as_ref().map_or_else(String::new, |device| format!(", on {}", device.name));
    let was = if *packets == 1 { "was" } else { "were" };
    let then = if again {
        "TCP sends such data again as long as the connection lasts"
    } else {
        "they never left it, and zc=y of such a send says only that nothing was copied"
    };
    format!(
        "{} with its data {was} dropped on this machine{on} ({facts}): {then}",
        plural(*packets, "packet")
    )
}

/// One as a sentence.
pub(crate) fn sentence(advice: &Advice) -> String {
    match *advice {
        Advice::Dropped { ref dropped, again } => self::dropped(dropped, again),
        Advice::AllCopied => "Until this is fixed, plain send() is cheaper: it need not pin pages".to_owned(),
        // Pages of a registered buffer stay pinned either way.
        Advice::AllCopiedRequests => "Until this is fixed, IORING_OP_SEND is cheaper: it posts no notification".to_owned(),
        Advice::Small { average } => format!(
            "sends of {average} bytes on average gain nothing from zero copy, which pays from about 10 KB on (the kernel's \
             Documentation/networking/msg_zerocopy.rst)"
        ),
        Advice::Flips(count) => format!(
            "the sends of one socket changed between zc=y and zc=n {}: notifications that lie unread are joined whatever their \
             codes, so read the error queue after every send to know which were which",
            if count == 1 { "once".to_owned() } else { format!("{count} times") }
        ),
        Advice::Joined { sends } => format!(
            "one notification stands for {sends} sends on average, which went out together (up to 512 KiB): a single copied \
             packet makes all of them zc=n"
        ),
        Advice::Misreported(sends) => format!(
            "of {} the error queue tells the wrong code, for notifications left there are joined and the first one's code \
             speaks for all: read it after every send to know",
            plural(sends, "send")
        ),
        Advice::MisreportedRequests(sends) => format!(
            "of {} the notification tells the wrong code: from Linux 6.10 on, data of several requests shares packets, and only \
             the first request of a packet is told what became of it",
            plural(sends, "request")
        ),
        Advice::Unasked(sends) => format!(
            "the program does not ask how {} went: IORING_SEND_ZC_REPORT_USAGE makes the kernel tell",
            plural(sends, "send")
        ),
        Advice::Selftest => "the kernel's selftest prints the code of the last notification as zc= up to Linux 6.16, which \
                             speaks for all sends that it was joined with; from 6.17 on it prints what -Z told it to expect, \
                             and zc=n without -Z: believe the counts here, or its exit code with -Z 0 or -Z 1"
            .to_owned(),
        Advice::NotRequested(sends) => format!(
            "not_requested: {} with MSG_ZEROCOPY on sockets without SO_ZEROCOPY were plain copies without a notification: \
             set SO_ZEROCOPY",
            plural(sends, "send")
        ),
        Advice::NotRequestedVsock(sends) => format!(
            "not_requested: {} with MSG_ZEROCOPY on vsocks without SO_ZEROCOPY were plain copies without a notification: set \
             SO_ZEROCOPY before connecting, which a vsock takes from Linux 6.7 on",
            plural(sends, "send")
        ),
        Advice::NoZerocopy(sends) => format!(
            "not_requested: {} with MSG_ZEROCOPY were plain copies without a notification: sockets of this kind have no zero \
             copy, and refuse SO_ZEROCOPY",
            plural(sends, "send")
        ),
        Advice::Mptcp(sends) => format!(
            "not_requested: {} with MSG_ZEROCOPY over MPTCP were plain copies without a notification: MPTCP has no zero copy, \
             TCP has",
            plural(sends, "send")
        ),
    }
}
