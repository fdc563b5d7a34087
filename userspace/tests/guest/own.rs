//! A sender of the tests' own, for what `zcdiag probe` has no option for. It is this process, and reads its error queue
//! itself.
#![expect(unsafe_code, reason = "no crate reads zerocopy notifications or sets any option by its number")]

use std::{
    io, mem,
    net::SocketAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};

use crate::world::eventually;

const SO_ZEROCOPY: libc::c_int = 60;
const ZEROCOPY: SendFlags = SendFlags::from_bits_retain(libc::MSG_ZEROCOPY.cast_unsigned());

static DATA: [u8; 65536] = [0x5a; 65536];

pub(crate) struct Sender(OwnedFd);

impl Sender {
    /// Opens a socket that may send with zero copy.
    pub(crate) fn new(family: AddressFamily, kind: SocketType) -> Self {
        let sender = Self(socket(family, kind, None).expect("open a socket"));
        sender.set(libc::SOL_SOCKET, SO_ZEROCOPY, &1_i32.to_ne_bytes());
        sender
    }

    /// The socket of a multicast router, which forwards from and to one device.
    pub(crate) fn multicast_router(device: u32) -> Self {
        const MRT_INIT: libc::c_int = 200;
        const MRT_ADD_VIF: libc::c_int = 202;
        const VIFF_USE_IFINDEX: u8 = 8;
        let router = Self(
            socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::IGMP)).expect("open a raw socket"),
        );
        router.set(libc::IPPROTO_IP, MRT_INIT, &1_i32.to_ne_bytes());
        // `struct vifctl`
        let mut vif = [0; 16];
        vif[2] = VIFF_USE_IFINDEX;
        vif[3] = 1;
        vif[8..12].copy_from_slice(&device.to_ne_bytes());
        router.set(libc::IPPROTO_IP, MRT_ADD_VIF, &vif);
        router
    }

    pub(crate) fn set(&self, level: libc::c_int, option: libc::c_int, value: &[u8]) {
        let length = value.len().try_into().expect("a small value");
        // SAFETY: the pointer is to as many live bytes as are said.
        let status =
            unsafe { libc::setsockopt(self.0.as_raw_fd(), level, option, value.as_ptr().cast(), length) };
        assert_eq!(status, 0, "setsockopt {level} {option}: {}", io::Error::last_os_error());
    }

    /// Sends so many bytes with MSG_ZEROCOPY and more flags, to an address.
    pub(crate) fn send(&self, to: &str, size: usize, flags: libc::c_int) {
        let to: SocketAddr = to.parse().expect("an address");
        let flags = ZEROCOPY | SendFlags::from_bits_retain(flags.cast_unsigned());
        let sent = sendto(&self.0, &DATA[..size], flags, &to).expect("send");
        assert_eq!(sent, size, "all of it was sent");
    }

    pub(crate) fn connect(&self, to: &str) {
        let to: SocketAddr = to.parse().expect("an address");
        rustix::net::connect(&self.0, &to).expect("connect");
    }

    /// Sends on a connected socket until it takes no more; gives the bytes of each send.
    pub(crate) fn fill(&self, size: usize) -> Vec<usize> {
        let mut sent = Vec::new();
        while let Ok(bytes) = rustix::net::send(&self.0, &DATA[..size], ZEROCOPY | SendFlags::DONTWAIT) {
            sent.push(bytes);
        }
        sent
    }

    /// Waits for what the kernel tells of so many sends: how many were zerocopied, and how many copied.
    pub(crate) fn told(&self, sends: u32) -> (u32, u32) {
        let mut told = (0, 0);
        eventually("every send is told", || {
            while let Some((count, copied)) = self.notification() {
                *(if copied { &mut told.1 } else { &mut told.0 }) += count;
            }
            told.0 + told.1 >= sends
        });
        told
    }

    fn notification(&self) -> Option<(u32, bool)> {
        #[repr(C, align(8))]
        struct Control([u8; 256]);
        let mut control = Control([0; 256]);
        // SAFETY: all fields are integers and pointers, for which zeros are valid.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        // SAFETY: the control buffer lives, and has the length that the message says.
        let received = unsafe {
            libc::recvmsg(self.0.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
        };
        if received < 0 {
            return None;
        }
        // SAFETY: the kernel has filled the buffer with control messages, and the macros stay within it; what IP_RECVERR
        // and IPV6_RECVERR carry begins with a `sock_extended_err`.
        let error = unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            assert!(!header.is_null(), "a message without control");
            libc::CMSG_DATA(header).cast::<libc::sock_extended_err>().read_unaligned()
        };
        assert_eq!(error.ee_origin, 5, "of SO_EE_ORIGIN_ZEROCOPY");
        Some((error.ee_data - error.ee_info + 1, error.ee_code & 1 != 0))
    }
}
