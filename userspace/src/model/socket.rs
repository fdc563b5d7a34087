//! Kinds of sockets, by the kernel's numbers.

/// `AF_INET`
pub const INET: u16 = 2;
/// `AF_INET6`
pub const INET6: u16 = 10;
/// `AF_VSOCK`
pub const VSOCK: u16 = 40;
/// `IPPROTO_TCP`
pub const TCP: u16 = 6;
/// `IPPROTO_UDP`
pub const UDP: u16 = 17;
/// `IPPROTO_MPTCP`
pub const MPTCP: u16 = 262;
