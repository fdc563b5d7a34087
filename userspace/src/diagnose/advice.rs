//! What to tell a sender besides the causes.

use crate::model::{
    advice::Advice,
    report::{Api, SenderReport},
    socket::{MPTCP, TCP, UDP, VSOCK},
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

/// What there is to know about what one sender does.
pub(super) fn advice(row: &SenderReport) -> Vec<Advice> {
    let again = row.sender.protocol == TCP;
    let dropped = row.dropped.iter().map(|dropped| Advice::Dropped { dropped: dropped.clone(), again });
    let mut advice: Vec<Advice> = dropped.collect();
    let (sends, bytes) = (row.sends.total(), row.bytes.total());
    if row.sends.zerocopied == 0 && row.sends.copied >= ENOUGH {
        advice.push(match row.sender.api {
            Api::MsgZerocopy => Advice::AllCopied,
            Api::IoUring => Advice::AllCopiedRequests,
        });
    } else if sends >= ENOUGH && bytes / sends < WORTH_IT {
        advice.push(Advice::Small { average: bytes / sends });
    }
    if row.flips > 0 {
        advice.push(Advice::Flips(row.flips));
    }
    if row.sends.copied > 0 && row.notifications > 0 && sends >= MANY * row.notifications {
        advice.push(Advice::Joined { sends: sends / row.notifications });
    }
    if row.misreported > 0 {
        advice.push(match row.sender.api {
            Api::MsgZerocopy => Advice::Misreported(row.misreported),
            Api::IoUring => Advice::MisreportedRequests(row.misreported),
        });
    }
    if row.sender.api == Api::IoUring && row.unasked > 0 {
        advice.push(Advice::Unasked(row.unasked));
    }
    if row.sender.process.comm == SELFTEST && sends > 0 {
        advice.push(Advice::Selftest);
    }
    if row.not_requested > 0 {
        advice.push(match row.sender.protocol {
            _ if row.sender.family == VSOCK => Advice::NotRequestedVsock(row.not_requested),
            MPTCP => Advice::Mptcp(row.not_requested),
            TCP | UDP => Advice::NotRequested(row.not_requested),
            _ => Advice::NoZerocopy(row.not_requested),
        });
    }
    advice
}
