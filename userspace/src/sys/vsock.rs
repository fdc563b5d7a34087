//! Addresses of AF_VSOCK.
#![expect(unsafe_code, reason = "rustix has no address type for vsock")]

use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};

/// A context and a port in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VsockAddr {
    /// Context id; see [`ANY_CID`].
    pub(crate) cid: u32,
    /// Port.
    pub(crate) port: u32,
}

/// Every context this machine has (`VMADDR_CID_ANY`).
pub(crate) const ANY_CID: u32 = libc::VMADDR_CID_ANY;

// SAFETY: the closure gets a pointer to a whole `sockaddr_vm` that lives until it returns, and its size.
unsafe impl SocketAddrArg for VsockAddr {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        // SAFETY: `sockaddr_vm` is made of integers, for which zeros are valid.
        let mut address: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
        address.svm_family = libc::sa_family_t::try_from(libc::AF_VSOCK).unwrap_or_default();
        address.svm_cid = self.cid;
        address.svm_port = self.port;
        let length = SocketAddrLen::try_from(size_of_val(&address)).unwrap_or_default();
        f((&raw const address).cast(), length)
    }
}
