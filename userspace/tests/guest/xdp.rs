//! A native XDP program that lets everything pass. Behind it a veth takes packets without delivering the
//! sender's pages, and so without a copy that is reported.
#![expect(unsafe_code, reason = "bpf(2) has no wrapper, and two instructions need no compiler")]

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// `r0 = XDP_PASS` and `exit`.
const PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    rest: [u64; 12],
}

#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches the program to a device of the calling thread's namespace, until the link is dropped.
pub(crate) fn pass(ifindex: u32) -> OwnedFd {
    let program = bpf(
        BPF_PROG_LOAD,
        &ProgLoad {
            prog_type: BPF_PROG_TYPE_XDP,
            insn_cnt: 2,
            insns: PASS.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
            rest: [0; 12],
        },
    );
    bpf(
        BPF_LINK_CREATE,
        &LinkCreate {
            prog_fd: program.as_raw_fd().cast_unsigned(),
            target_ifindex: ifindex,
            attach_type: BPF_XDP,
            flags: XDP_FLAGS_DRV_MODE,
        },
    )
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> OwnedFd {
    // SAFETY: `attributes` is a live prefix of `union bpf_attr` of the given size; the pointers in it lead
    // to constants.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    assert!(fd >= 0, "bpf({command}): {}", io::Error::last_os_error());
    let fd = i32::try_from(fd).expect("a descriptor");
    // SAFETY: both commands return a new descriptor, which nobody else knows.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
