//! What to tell a sender besides the causes.

use crate::model::{
    report::{Api, SenderReport},
    words::plural,
};

/// Sends from which on zero copy pays, in bytes: "generally only effective at writes over around 10 KB"
/// (`Documentation/networking/msg_zerocopy.rst`).
const WORTH_IT: u64 = 10 * 1024;
/// From so many sends a notification on, that is worth a word.
const MANY: u64 = 2;
/// With fewer sends nothing is said about what a program does in general.
const ENOUGH: u64 = 10;

/// The kernel's own test of MSG_ZEROCOPY (tools/testing/selftests/net/msg_zerocopy.c), by the name of its process.
const SELFTEST: &str = "msg_zerocopy";

/// Sentences about what one sender does.
pub(super) fn advice(row: &SenderReport) -> Vec<String> {
    let mut advice = Vec::new();
    let (sends, bytes) = (row.sends.total(), row.bytes.total());
    if row.sends.zerocopied == 0 && row.sends.copied >= ENOUGH {
        advice.push(
            "every send was copied: until the cause is cured, sending without zero copy costs less, for the pages need not \
             be pinned"
                .to_owned(),
        );
    } else if sends >= ENOUGH && bytes / sends < WORTH_IT {
        advice.push(format!(
            "sends of {} bytes on average gain nothing from zero copy, which pays from about 10 KB on (the kernel's \
             Documentation/networking/msg_zerocopy.rst)",
            bytes / sends
        ));
    }
    if row.flips > 0 {
        advice.push(format!(
            "the sends of one socket changed between zc=y and zc=n {}: notifications that lie unread are joined whatever their \
             codes, so read the error queue after every send to know which were which",
            times(row.flips)
        ));
    }
    if row.sends.copied > 0 && row.notifications > 0 && sends >= MANY * row.notifications {
        advice.push(format!(
            "one notification stands for {} sends on average, which went out together (up to 512 KiB): a single copied packet \
             makes all of them zc=n",
            sends / row.notifications
        ));
    }
    if row.misreported > 0 {
        advice.push(format!(
            "of {} the error queue tells the wrong code, for notifications left there are joined and the first one's code \
             speaks for all: read it after every send to know",
            plural(row.misreported, "send")
        ));
    }
    if row.sender.api == Api::IoUring && row.unasked > 0 {
        advice.push(format!(
            "the program does not ask how {} went: IORING_SEND_ZC_REPORT_USAGE makes the kernel tell",
            plural(row.unasked, "send")
        ));
    }
    if row.sender.process.comm == SELFTEST && sends > 0 {
        advice.push(
            "the kernel's selftest prints the code of the last notification as zc= up to Linux 6.16, which speaks for all \
             sends that it was joined with; from 6.17 on it prints what -Z told it to expect, and zc=n without -Z: \
             believe the counts here, or its exit code with -Z 0 or -Z 1"
                .to_owned(),
        );
    }
    if row.not_requested > 0 {
        advice.push(format!(
            "not_requested: {} with MSG_ZEROCOPY on sockets without SO_ZEROCOPY were plain copies without a notification: \
             set SO_ZEROCOPY",
            plural(row.not_requested, "send")
        ));
    }
    advice
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
