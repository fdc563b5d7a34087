//! A packet socket, who holds it, and what it does to zero-copy sends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{
    device::DeviceId,
    netns::Netns,
    path::Hop,
    process::ProcessIdentity,
    program::{KnownProgram, PacketLibrary},
    remedy::Remedy,
};

/// An `AF_PACKET` socket as found on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    /// Inode of the socket; unique on the machine while the socket lives.
    pub inode: u64,
    /// Every process that has it open; empty if none was found.
    pub holders: Vec<Holder>,
    /// Namespace the socket belongs to: the one it was created in, whatever its holder did since.
    pub netns: Netns,
    /// Device it is bound to.
    pub binding: Binding,
    /// Protocol it asked for.
    pub protocol: PacketProtocol,
    /// Type argument of `socket(2)`.
    pub socket_type: PacketSocketType,
    /// Whether its hook is registered (`po->running`): not for protocol 0, nor while the device is down.
    pub running: bool,
    /// Its own `PACKET_IGNORE_OUTGOING` (Linux 4.20); `None` if it could not be read.
    pub ignore_outgoing: Option<bool>,
    /// Membership in a fanout group, which replaces the socket's own hook.
    pub fanout: Fanout,
    /// Whether it has a receive or transmit ring; `None` if it could not be read.
    pub ring: Option<bool>,
    /// Whether a socket filter is attached; `None` if it could not be read.
    pub filter: Option<bool>,
    /// Whether it keeps a device in promiscuous mode; `None` if it could not be read.
    pub promiscuous: Option<bool>,
    /// User that made the socket.
    pub uid: Option<u32>,
}

impl Tap {
    /// Whether `dev_queue_xmit_nit()` passes this tap over; `None` if the flag could not be read.
    ///
    /// A member of a fanout group is passed over by the group's flag only: `PACKET_IGNORE_OUTGOING`
    /// writes `po->prot_hook`, and a member's own hook is not registered.
    pub fn ignores_outgoing(&self) -> Option<bool> {
        match self.fanout {
            Fanout::None => self.ignore_outgoing,
            Fanout::Member(group) => group.ignores_outgoing,
            Fanout::Unknown => None,
        }
    }

    /// Who holds it, as in `dhclient (pid 812)`; `None` if no holder was found.
    pub fn holder(&self) -> Option<String> {
        let (first, others) = self.holders.split_first()?;
        let ProcessIdentity { comm, pid, .. } = &first.process;
        Some(match others.len() {
            0 => format!("{comm} (pid {pid})"),
            others => format!("{comm} (pid {pid} and {others} more)"),
        })
    }

    /// The same, or words for a tap whose holder was not found.
    pub fn holder_or_inode(&self) -> String {
        let unseen = || format!("a packet socket (inode {}) whose holder was not found", self.inode);
        self.holder().unwrap_or_else(unseen)
    }
}

/// A file descriptor on a tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub process: ProcessIdentity,
    /// Its lowest descriptor that refers to the tap; `None` if it had closed it before anybody looked.
    pub fd: Option<u32>,
    /// How long the process has been running. How long the tap has existed the kernel does not tell.
    pub age: Option<Duration>,
    /// Which libraries that open packet sockets it has mapped.
    #[serde(default)]
    pub libraries: Libraries,
}

/// What was read of the libraries that a process has mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Libraries {
    /// Nobody looked, or the process had ended.
    #[default]
    NotRead,
    /// They could not be read: why.
    Unreadable(String),
    /// Those of [`PacketLibrary`] that are mapped. What is linked statically is not among them.
    Mapped(Vec<PacketLibrary>),
}

/// What a packet socket is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// No device: all devices.
    Any,
    /// One device of the socket's namespace.
    Device {
        /// Interface index.
        ifindex: u32,
        /// Interface name, if it could be read.
        name: Option<String>,
    },
    /// A device that has been removed since; the kernel reports index -1.
    Gone,
}

/// An Ethernet protocol number in host byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PacketProtocol(pub u16);

impl PacketProtocol {
    /// Every protocol, and the only one that sees packets on their way out.
    pub const ALL: Self = Self(0x0003);
    /// No protocol: the socket only sends.
    pub const NONE: Self = Self(0);

    /// The constant's name in `linux/if_ether.h`, for those that are met on packet sockets.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x0001 => "ETH_P_802_3",
            0x0003 => "ETH_P_ALL",
            0x0004 => "ETH_P_802_2",
            0x0800 => "ETH_P_IP",
            0x0806 => "ETH_P_ARP",
            0x2001 => "ETH_P_NHRP",
            0x8035 => "ETH_P_RARP",
            0x8100 => "ETH_P_8021Q",
            0x86dd => "ETH_P_IPV6",
            0x8809 => "ETH_P_SLOW",
            0x8863 => "ETH_P_PPP_DISC",
            0x8864 => "ETH_P_PPP_SES",
            0x888e => "ETH_P_PAE",
            0x88a8 => "ETH_P_8021AD",
            0x88c7 => "ETH_P_PREAUTH",
            0x88cc => "ETH_P_LLDP",
            0x88f7 => "ETH_P_1588",
            0x8902 => "ETH_P_CFM",
            0x8914 => "ETH_P_FIP",
            _ => return None,
        })
    }
}

impl std::fmt::Display for PacketProtocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}

/// Type argument of `socket(AF_PACKET, ..)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PacketSocketType {
    /// `SOCK_RAW`: with link-layer header.
    Raw,
    /// `SOCK_DGRAM`: without.
    Dgram,
    /// `SOCK_PACKET`: the obsolete interface.
    Packet,
    /// A number this program does not know.
    Other(u8),
}

impl From<u8> for PacketSocketType {
    fn from(number: u8) -> Self {
        match number {
            2 => Self::Dgram,
            3 => Self::Raw,
            10 => Self::Packet,
            other => Self::Other(other),
        }
    }
}

/// Membership in a fanout group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fanout {
    /// In no group.
    None,
    /// In this group.
    Member(FanoutGroup),
    /// Could not be read.
    Unknown,
}

/// A fanout group: several sockets that share one hook and divide the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanoutGroup {
    /// Group id, unique within the namespace.
    pub id: u16,
    /// `PACKET_FANOUT_HASH` and its relatives, by number.
    pub mode: u8,
    /// Whether the group was made with `PACKET_FANOUT_FLAG_IGNORE_OUTGOING`; `None` if not readable.
    pub flag: Option<bool>,
    /// Whether the group is passed over on egress: the flag is set, and this kernel obeys it (6.2).
    pub ignores_outgoing: Option<bool>,
}

impl FanoutGroup {
    /// The mode's name, as in `PACKET_FANOUT_HASH`, in lower case.
    pub fn mode_name(&self) -> Option<&'static str> {
        ["hash", "lb", "cpu", "rollover", "rnd", "qm", "cbpf", "ebpf"].get(usize::from(self.mode)).copied()
    }
}

/// What a tap does to zero-copy sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TapVerdict {
    /// Sends through at least one device are copied because of it.
    Offending,
    /// What would decide it could not be read.
    Unknown,
    /// No send is copied on its way out because of it.
    Harmless,
}

/// A verdict with its grounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapJudgement {
    /// The verdict.
    pub verdict: TapVerdict,
    /// Why, in one clause that follows "it".
    pub reason: String,
    /// What to do, best first; empty for harmless taps.
    pub remedies: Vec<Remedy>,
    /// What people commonly suppose about such a tap and is not so.
    pub notes: Vec<String>,
    /// What is known of the program that holds it.
    pub program: Option<KnownProgram>,
    /// Which devices' sends meet it further on their way.
    pub harms: Vec<Harm>,
}

/// Sends through one device that meet a tap on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// The device that is sent through.
    pub from: DeviceId,
    /// Where they meet the tap.
    pub at: Hop,
    /// Whether they are copied for it: offending or unknown.
    pub verdict: TapVerdict,
}

/// A tap and what was found about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedTap {
    /// The tap.
    pub tap: Tap,
    /// The verdict on it.
    pub judgement: TapJudgement,
}
