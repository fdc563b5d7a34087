//! Limits on sends in flight, and which sockets can be told `SO_ZEROCOPY`.

use std::path::Path;

use rustix::{
    net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with},
    process::{Resource, getrlimit},
};

use crate::{
    kernel::{optmem::optmem_max, privilege::Privileges},
    model::{
        check::{Limits, SocketSupport},
        socket::MPTCP,
    },
    sys::{
        errqueue::{ENOTSUPP, allow_zerocopy},
        uring::{Request, Ring},
    },
};

/// `CAP_IPC_LOCK`.
const IPC_LOCK: u64 = 1 << 14;
/// Memory of the empty packet that holds a notification: 512 bytes and `struct sk_buff`, or from 6.3 on an object of
/// the cache for small heads and that.
const SEND: u64 = 768;
const SEND_OF_SMALL_HEADS: u64 = 960;

/// Reads the limits below a root directory (`/`).
pub(super) fn read(root: &Path, privileges: &Privileges) -> Limits {
    let small_heads = root.join("sys/kernel/slab/skbuff_small_head").exists();
    let no_slabs = !root.join("sys/kernel/slab").exists();
    Limits {
        optmem_max: optmem_max(&root.join("proc")).map(u64::from),
        per_send: if small_heads || no_slabs { SEND_OF_SMALL_HEADS } else { SEND },
        memlock: getrlimit(Resource::Memlock).current,
        ipc_lock: privileges.effective & IPC_LOCK != 0,
    }
}

/// Tries `SO_ZEROCOPY` on a socket of each kind that needs no kernel module of its own, and closes it again.
pub(super) fn sockets() -> Vec<SocketSupport> {
    let kinds = [
        ("tcp", AddressFamily::INET, SocketType::STREAM, None),
        ("tcp6", AddressFamily::INET6, SocketType::STREAM, None),
        ("udp", AddressFamily::INET, SocketType::DGRAM, None),
        ("udp6", AddressFamily::INET6, SocketType::DGRAM, None),
        (
            "mptcp",
            AddressFamily::INET,
            SocketType::STREAM,
            std::num::NonZeroU32::new(MPTCP.into()).map(Protocol::from_raw),
        ),
        ("unix", AddressFamily::UNIX, SocketType::STREAM, None),
    ];
    kinds
        .map(|(kind, family, of_type, protocol)| SocketSupport {
            kind,
            refusal: try_out(family, of_type, protocol),
        })
        .into()
}

/// Whether io_uring can send with zero copy here (`IORING_OP_SEND_ZC`, 6.0), by making a ring; `None` if this process
/// may not make one (`kernel.io_uring_disabled`, seccomp).
pub(super) fn io_uring() -> Option<bool> {
    match Ring::new(Request::Send, 1, &[]) {
        Ok(ring) => Some(ring.is_some()),
        Err(error) if error.is(libc::ENOSYS) => Some(false),
        Err(_) => None,
    }
}

/// Why a kind of socket cannot do it; `None` if it can.
fn try_out(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Option<String> {
    let socket = match socket_with(family, kind, SocketFlags::CLOEXEC, protocol) {
        Ok(socket) => socket,
        Err(errno) => return Some(format!("no such socket: {errno}")),
    };
    let error = allow_zerocopy(&socket).err()?;
    // Before 6.1 the kernel lets out an error number of its own.
    Some(if error.is(ENOTSUPP) { "not supported".to_owned() } else { error.source.to_string() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn streams_and_datagrams_can_local_sockets_cannot() {
        let all = sockets();
        let can =
            |kind: &str| all.iter().find(|socket| socket.kind == kind).expect("tried").refusal.is_none();
        assert!(can("tcp") && can("udp"), "{all:?}");
        assert!(!can("unix") && !can("mptcp"), "{all:?}");
    }

    #[test]
    fn what_a_send_takes_depends_on_how_the_kernel_makes_heads() {
        let root = tempfile::tempdir().expect("temporary directory");
        let limits = || read(root.path(), &Privileges { effective: IPC_LOCK, lockdown: None });
        assert_eq!((limits().optmem_max, limits().per_send, limits().ipc_lock), (None, 960, true));
        fs::create_dir_all(root.path().join("sys/kernel/slab")).expect("create slabs");
        fs::create_dir_all(root.path().join("proc/sys/net/core")).expect("create proc");
        fs::write(root.path().join("proc/sys/net/core/optmem_max"), "20480\n").expect("write the limit");
        assert_eq!((limits().optmem_max, limits().per_send), (Some(20480), 768));
        fs::create_dir(root.path().join("sys/kernel/slab/skbuff_small_head")).expect("create the cache");
        assert_eq!(limits().per_send, 960);
    }
}
