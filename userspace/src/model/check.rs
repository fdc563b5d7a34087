//! What zcdiag says of a way to a destination before anything is sent.

use std::{collections::BTreeSet, net::IpAddr};

use super::{cause::CauseId, device::DeviceId, netns::Device, remedy::Remedy, tap::JudgedTap};

/// How data is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A TCP stream.
    Tcp,
    /// Datagrams.
    Udp,
    /// Datagrams that the kernel cuts from one send (`UDP_SEGMENT`).
    UdpGso,
    /// TCP through `IORING_OP_SEND_ZC` (Linux 6.0).
    IoUring,
    /// Datagrams through `IORING_OP_SEND_ZC`.
    IoUringUdp,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::UdpGso, Self::IoUring, Self::IoUringUdp];

    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::UdpGso => "udp_gso",
            Self::IoUring => "io_uring",
            Self::IoUringUdp => "io_uring_udp",
        }
    }

    /// Whether it is through io_uring.
    pub fn is_ring(self) -> bool {
        matches!(self, Self::IoUring | Self::IoUringUdp)
    }

    /// Whether each send is one datagram, that the kernel does not cut into several.
    pub fn is_one_datagram(self) -> bool {
        matches!(self, Self::Udp | Self::IoUringUdp)
    }

    /// Whether it is a stream.
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::IoUring)
    }

    /// `IPPROTO_TCP` or `IPPROTO_UDP`.
    pub fn protocol(self) -> u8 {
        if self.is_tcp() { 6 } else { 17 }
    }
}

/// What kind of address a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Another host.
    Unicast,
    /// This namespace.
    Local,
    /// All hosts of a link, this one too.
    Broadcast,
    /// A multicast group; whether a socket of this namespace has joined it, if that can be seen.
    Multicast {
        /// Whether packets are looped back to this namespace.
        member: Option<bool>,
    },
    /// Something else, by its `RTN_*` number.
    Other(u8),
}

/// A route as the kernel resolved it (`RTM_GETROUTE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// What it leads to.
    pub kind: RouteKind,
    /// The device that packets leave through.
    pub ifindex: u32,
    /// Address that packets leave with, if the kernel named one.
    pub source: Option<IpAddr>,
    /// Next router.
    pub gateway: Option<IpAddr>,
    /// MTU of the path, where it differs from the device's.
    pub mtu: Option<u32>,
    /// Whether packets are put into others on the way (`RTA_ENCAP`).
    pub encapsulated: bool,
}

/// Offloads of a device that are on, by the kernel's names (`tx-scatter-gather` ..).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offloads(pub BTreeSet<String>);

impl Offloads {
    /// Whether it can gather a packet from several places (`NETIF_F_SG`).
    pub fn gathers(&self) -> bool {
        self.0.contains("tx-scatter-gather")
    }

    /// Whether it computes checksums for this IP version.
    pub fn sums(&self, ipv6: bool) -> bool {
        let own = if ipv6 { "tx-checksum-ipv6" } else { "tx-checksum-ipv4" };
        self.0.contains("tx-checksum-ip-generic") || self.0.contains(own)
    }

    /// Whether it encrypts for IPsec, and can sum up what it encrypts.
    pub fn encrypts(&self) -> bool {
        self.0.contains("esp-hw-offload")
    }
}

/// Limits on sends in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `net.core.optmem_max` in bytes, for each socket.
    pub optmem_max: Option<u64>,
    /// Bytes of it that one send takes until its notification has been read.
    pub per_send: u64,
    /// `RLIMIT_MEMLOCK` in bytes, for all processes of the user together; `None`: no limit.
    pub memlock: Option<u64>,
    /// Whether CAP_IPC_LOCK lifts that limit for this process.
    pub ipc_lock: bool,
}

/// `SKB_TRUESIZE(0)`, which `sock_omalloc()` reckons a further send with, in bytes.
pub const NEXT_SEND: u64 = 576;
const PAGE: u64 = 4096;

impl Limits {
    /// Sends that one socket can have in flight, those with an unread notification included, before sending fails
    /// with ENOBUFS. The kernel joins TCP sends and notifications that follow each other, which makes room for more.
    pub fn sends_of_socket(&self) -> Option<u64> {
        let room = self.optmem_max?.checked_sub(NEXT_SEND);
        Some(room.map_or(0, |room| room / self.per_send.max(1) + 1))
    }

    /// Sends of so many bytes that all processes of this user can have in flight together; `None`: no such limit.
    ///
    /// `mm_account_pinned_pages()` counts two pages more than the bytes fill.
    pub fn sends_of_user(&self, bytes: u64) -> Option<u64> {
        let memlock = self.memlock.filter(|_| !self.ipc_lock)?;
        Some(memlock / PAGE / (bytes / PAGE + 2))
    }
}

/// Whether a kind of socket may be told `SO_ZEROCOPY`, by trying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSupport {
    /// `tcp`, `udp6` ..
    pub kind: &'static str,
    /// `None`: it can; else what the kernel answered.
    pub refusal: Option<String>,
}

/// The short answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    /// Sends will be zero-copy.
    ZeroCopy,
    /// It cannot be told.
    Unknown,
    /// Sends will be copied.
    Copied,
}

impl Outlook {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ZeroCopy, Self::Unknown, Self::Copied];

    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZeroCopy => "zerocopied",
            Self::Unknown => "unknown",
            Self::Copied => "copied",
        }
    }
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The cause that copies would have; `None` if it is not known whether there will be any.
    pub cause: Option<CauseId>,
    /// On which device.
    pub device: Option<DeviceId>,
    /// For which ways of sending.
    pub ways: Vec<Way>,
    /// What it is about, where there is no cause.
    pub about: &'static str,
    /// Whether sends surely are copied because of it.
    pub certain: bool,
    /// What the kernel will report of a copy by it: copied, zero-copy although it copied, or that depends.
    pub reported: Outlook,
    /// Why, in sentences.
    pub explanation: String,
    /// What to do about it, best first.
    pub remedies: Vec<Remedy>,
    /// Inodes of the packet sockets to blame.
    pub taps: Vec<u64>,
}

/// Why there can be no such sends, whatever the kernel can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// TCP to a multicast group, or to all hosts of a link.
    Group,
    /// More bytes than a datagram can have.
    TooLong {
        /// So many it can have.
        most: u32,
    },
}

/// The answer for one way of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayAnswer {
    /// Which.
    pub way: Way,
    /// What becomes of its data.
    pub outlook: Outlook,
    /// What the kernel will say of it.
    pub reported: Outlook,
    /// Larger sends are copied, if that is known.
    pub max_bytes: Option<u32>,
    /// Whether it can be done at all; `None` if not known.
    pub supported: Option<bool>,
    /// Why it cannot be done on any kernel.
    pub refusal: Option<Refusal>,
}

/// A device on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathDevice {
    /// Which.
    pub device: DeviceId,
    /// Whether the packet comes in there, rather than leave through it.
    pub comes_in: bool,
    /// Its kind, MTU and XDP program.
    pub details: Device,
    /// Its offloads; `None` if not read.
    pub offloads: Option<Offloads>,
}

/// All that `zcdiag check` has to say.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// Release of the kernel.
    pub kernel: String,
    /// Where to, as an address.
    pub destination: Option<IpAddr>,
    /// The short answer over all ways of sending that were asked about.
    pub outlook: Outlook,
    /// By way of sending.
    pub ways: Vec<WayAnswer>,
    /// In the order in which they would bite.
    pub obstacles: Vec<Obstacle>,
    /// The route of the first namespace.
    pub route: Option<Route>,
    /// The devices on the way; if there are several ways, all of them.
    pub path: Vec<PathDevice>,
    /// Limits on sends in flight.
    pub limits: Limits,
    /// Kinds of sockets.
    pub sockets: Vec<SocketSupport>,
    /// The packet sockets that an obstacle names.
    pub taps: Vec<JudgedTap>,
    /// What could not be read, each with the cure.
    pub missing: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_in_flight_as_kernels_were_seen_to_allow() {
        let limits = |optmem_max, per_send, memlock| Limits {
            optmem_max: Some(optmem_max),
            per_send,
            memlock,
            ipc_lock: false,
        };
        assert_eq!(limits(20480, 768, None).sends_of_socket(), Some(26), "5.10, 6.1");
        assert_eq!(limits(131_072, 960, None).sends_of_socket(), Some(136), "6.12 and later");
        assert_eq!(limits(100, 960, None).sends_of_socket(), Some(0));
        let user = limits(20480, 768, Some(65536));
        assert_eq!(user.sends_of_user(8000), Some(5), "the default before 5.16");
        assert_eq!(user.sends_of_user(65536), Some(0), "one is too much already");
        assert_eq!(limits(20480, 768, None).sends_of_user(8000), None);
        assert_eq!(Limits { ipc_lock: true, ..user }.sends_of_user(8000), None);
    }
}
