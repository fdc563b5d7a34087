//! What zcdiag has found out: the only thing a renderer of `watch` takes.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

pub use super::split::Split;
use super::{
    advice::Advice,
    cause::CauseId,
    connection::ConnectionReport,
    counts::Waiting,
    cure::Cure,
    device::DeviceId,
    dropped::Dropped,
    filter::Filtered,
    further::{Enough, Further},
    latency::Ages,
    lost::Lost,
    migration::Migration,
    process::ProcessIdentity,
    remedy::Remedy,
    sighting::Sighting,
    socket::{MPTCP, TCP, UDP, VSOCK},
    tap::JudgedTap,
};

/// The short answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every send was copied.
    Copied,
    /// No send was copied.
    Zerocopied,
    /// Some were.
    Mixed,
    /// There was no zerocopy send.
    Idle,
    /// No send was copied for what a filter selects, but some were for causes or on devices that it leaves out.
    Elsewhere,
}

impl Verdict {
    /// The verdict on a number of sends.
    pub fn on(sends: Split) -> Self {
        match (sends.zerocopied, sends.copied) {
            (0, 0) => Self::Idle,
            (0, _) => Self::Copied,
            (_, 0) => Self::Zerocopied,
            _ => Self::Mixed,
        }
    }
}

/// A process, and one kind of socket that it sends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Who it is; parts may be unknown if it ended at once.
    pub process: ProcessIdentity,
    /// Network namespace of the socket.
    pub netns: u32,
    /// `AF_INET` ..
    pub family: u16,
    /// `IPPROTO_TCP` ..
    pub protocol: u16,
    /// How it asks for zero copy.
    pub api: Api,
}

/// How a program asks for zero copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// `MSG_ZEROCOPY` in a send call.
    #[default]
    MsgZerocopy,
    /// A request of io_uring (`IORING_OP_SEND_ZC`, `IORING_OP_SENDMSG_ZC`).
    IoUring,
}

impl Sender {
    /// `tcp`, `udp` .., or the numbers of family and protocol.
    pub fn protocol_name(&self) -> String {
        match (self.family, self.protocol) {
            (VSOCK, _) => "vsock".to_owned(),
            // A request of io_uring that was refused before its socket was looked at.
            (0, 0) => "unknown".to_owned(),
            (_, MPTCP) => "mptcp".to_owned(),
            (_, TCP) => "tcp".to_owned(),
            (_, UDP) => "udp".to_owned(),
            (family, protocol) => format!("{family}/{protocol}"),
        }
    }
}

/// What one sender sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SenderReport {
    /// Who.
    pub sender: Sender,
    /// Sends; one is one notification id.
    pub sends: Split,
    /// Bytes that the send calls were asked to send.
    pub bytes: Split,
    /// Time the kernel spent copying for it.
    pub copy_time: Duration,
    /// Sends whose notification was joined to one with the other code, so that the error queue tells the
    /// application wrong.
    pub misreported: u64,
    /// Sends of io_uring whose application did not ask how they went (`IORING_SEND_ZC_REPORT_USAGE`).
    pub unasked: u64,
    /// Notifications of its sends: one stands for several sends that went out together, up to 512 KiB
    /// (`msg_zerocopy_realloc` in `net/core/skbuff.c`).
    pub notifications: u64,
    /// Notifications that told otherwise than the one before on the same socket, zc=y after zc=n or the reverse; not
    /// counted for io_uring.
    pub flips: u64,
    /// Sends made with MSG_ZEROCOPY on a socket without SO_ZEROCOPY: the kernel ignored it, and they are not
    /// among the others.
    pub not_requested: u64,
    /// Failed sends, most first.
    pub failed: Vec<FailedSends>,
    /// Packets with data of its sends that the kernel dropped before they had left the machine, without a copy before;
    /// most first.
    pub dropped: Vec<Dropped>,
    /// Its busiest connections; what they have not of its sends is of others, or was counted by no connection. Empty for
    /// intervals.
    pub connections: Vec<ConnectionReport>,
    /// For how long its notifications were waited for, of those that were timed.
    pub latency: Option<Ages>,
    /// Notifications still to come at the end, if there are any.
    pub waiting: Option<Waiting>,
    /// What else to tell of the sends.
    pub advice: Vec<Advice>,
}

impl SenderReport {
    /// A sender that has sent nothing yet.
    pub fn new(sender: Sender) -> Self {
        Self {
            sender,
            sends: Split::default(),
            bytes: Split::default(),
            copy_time: Duration::ZERO,
            misreported: 0,
            unasked: 0,
            notifications: 0,
            flips: 0,
            not_requested: 0,
            failed: Vec::new(),
            dropped: Vec::new(),
            connections: Vec::new(),
            latency: None,
            waiting: None,
            advice: Vec::new(),
        }
    }
}

/// Failed zerocopy sends of one sender with one error; not among the sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSends {
    /// The error's name, such as `ENOBUFS`.
    pub errno: String,
    /// How many.
    pub sends: u64,
    /// Why, and what to do.
    pub reason: String,
}

/// One cause of copies, for one sender on one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CauseReport {
    /// Which cause.
    pub cause: CauseId,
    /// The same in a few words.
    pub summary: &'static str,
    /// Whose sends.
    pub sender: Sender,
    /// Device on which they were copied; `None` if they never came so far.
    pub device: Option<DeviceId>,
    /// Sends that this cause was the first to copy.
    pub sends: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Runs of `skb_copy_ubufs` here, for these and for sends copied before.
    pub copies: u64,
    /// Bytes that these runs copied.
    pub copy_bytes: u64,
    /// Time that they took.
    pub copy_time: Duration,
    /// Inodes of the packet sockets to blame.
    pub taps: Vec<u64>,
    /// Kernel stack of the first copy, innermost function first.
    pub stack: Vec<String>,
    /// What happened, in sentences.
    pub explanation: String,
    /// What to do about it, best first.
    pub remedies: Vec<Remedy>,
    /// What else copies these sends, or may, and would do so without this cause, in the order in which they meet it.
    pub further: Vec<Further>,
    /// Whether the remedies bring zero copy back.
    pub enough: Enough,
}

impl CauseReport {
    /// Name of the device, which outlives its numbers; `None` if the sends never came so far, or it is unknown.
    pub fn device_name(&self) -> Option<&str> {
        self.device.as_ref().map(|device| device.name.as_str()).filter(|name| !name.is_empty())
    }
}

/// How the watched command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutcome {
    /// The command.
    pub argv: Vec<String>,
    /// Its exit code; 128 + signal number if a signal ended it; `None` if it did not end when asked to.
    pub status: Option<i32>,
}

/// Everything that was seen in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Release of the kernel.
    pub kernel: String,
    /// Length of the stretch.
    pub duration: Duration,
    /// Sends of all reported senders.
    pub sends: Split,
    /// Their bytes.
    pub bytes: Split,
    /// Time spent copying.
    pub copy_time: Duration,
    /// By sender, most copied first.
    pub senders: Vec<SenderReport>,
    /// By cause, most sends first; their sends add up to the copied ones.
    pub causes: Vec<CauseReport>,
    /// Sends that were reported zero-copy although data of theirs was copied, by cause.
    pub hidden: Vec<CauseReport>,
    /// Sends whose code in the error queue is wrong, of all reported senders.
    pub misreported: u64,
    /// The packet sockets that a cause names.
    pub taps: Vec<JudgedTap>,
    /// What was seen of them, by inode; those that were given nothing are missing.
    pub sightings: BTreeMap<u64, Sighting>,
    /// What has to be changed, all of it, so that none of them makes sends copy; empty if there are none.
    pub cure: Cure,
    /// What could not be seen of packet sockets, each with the cure.
    pub missing: Vec<String>,
    /// What QEMUs say of their migrations, of those that were asked.
    pub migrations: Vec<Migration>,
    /// What could not be recorded; only what happened.
    pub losses: Vec<(Lost, u64)>,
    /// Notifications that were still to come at the end, each for one send or for several on one socket;
    /// `None` before the end.
    pub in_flight: Option<u64>,
    /// Notifications for sends made before the watch began; not among the sends.
    pub born_before: u64,
    /// Whether the hooks that see failed and ignored sends rested in between.
    pub rested: bool,
    /// The command that was run.
    pub command: Option<CommandOutcome>,
    /// The filter in force, and what it left out; `None` without one.
    pub filtered: Option<Filtered>,
}

impl Report {
    /// The short answer on what is selected.
    pub fn verdict(&self) -> Verdict {
        match Verdict::on(self.sends) {
            Verdict::Zerocopied | Verdict::Idle if self.elsewhere() > 0 => Verdict::Elsewhere,
            verdict => verdict,
        }
    }

    /// Copied sends of the selected senders that a filter of causes or devices leaves out.
    pub fn elsewhere(&self) -> u64 {
        self.filtered.as_ref().map_or(0, Filtered::elsewhere)
    }

    /// All copied sends of the selected senders.
    pub fn all_copied(&self) -> u64 {
        self.sends.copied + self.elsewhere()
    }

    /// The devices on which copies are selected; empty for all. Through which device a zerocopied send went is not
    /// known.
    pub fn devices(&self) -> &[String] {
        self.filtered.as_ref().map_or(&[], |filtered| &filtered.filter.dev)
    }

    /// Whether the counts are complete; else they are lower bounds.
    pub fn exact(&self) -> bool {
        self.losses.is_empty()
    }

    /// Notifications of all reported senders that were still to come at the end.
    pub fn waiting(&self) -> u64 {
        self.senders.iter().filter_map(|row| row.waiting).map(|waiting| waiting.notifications).sum()
    }

    /// Sends of all reported senders that failed; not among the sends.
    pub fn failed(&self) -> u64 {
        self.senders.iter().flat_map(|row| &row.failed).map(|failed| failed.sends).sum()
    }

    /// Number of events that could not be recorded.
    pub fn lost_events(&self) -> u64 {
        self.losses.iter().map(|(_, count)| count).sum()
    }
}
