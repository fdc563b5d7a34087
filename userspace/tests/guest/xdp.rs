//! An XDP program that lets everything pass. Behind a native one a veth takes packets without delivering the
//! sender's pages, and so without a copy that is reported.
#![expect(unsafe_code, reason = "bpf(2) has no wrapper, and two instructions need no compiler")]

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use rustix::process::{Resource, Rlimit};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;

/// `r0 = XDP_PASS` and `exit`.
const PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// `bpf_skb_pull_data(ctx, ctx->len)`, `r0 = TC_ACT_OK` and `exit`.
const PULL: [u64; 4] =
    [0x0000_0000_0000_1261, 0x0000_0027_0000_0085, 0x0000_0000_0000_00b7, 0x0000_0000_0000_0095];

#[repr(C)]
struct ObjPin {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log: [u64; 2],
    kern_version: u32,
    prog_flags: u32,
    rest: [u64; 9],
}

#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches the program natively to a device of the calling thread's namespace, until the link is dropped.
pub(crate) fn pass(ifindex: u32) -> OwnedFd {
    attach(ifindex, XDP_FLAGS_DRV_MODE, 0)
}

/// The same in generic mode; `frags`: the program takes packets in several pieces.
pub(crate) fn pass_generic(ifindex: u32, frags: bool) -> OwnedFd {
    attach(ifindex, XDP_FLAGS_SKB_MODE, if frags { BPF_F_XDP_HAS_FRAGS } else { 0 })
}

/// Pins a program of tc that has every packet made one piece, to be attached from there.
pub(crate) fn pin_pull(path: &str) {
    let program = load(BPF_PROG_TYPE_SCHED_CLS, &PULL, 0);
    let path = std::ffi::CString::new(path).expect("a path without a zero");
    let pin =
        ObjPin { pathname: path.as_ptr() as u64, bpf_fd: program.as_raw_fd().cast_unsigned(), file_flags: 0 };
    bpf(BPF_OBJ_PIN, &pin);
}

fn attach(ifindex: u32, mode: u32, prog_flags: u32) -> OwnedFd {
    let program = load(BPF_PROG_TYPE_XDP, &PASS, prog_flags);
    let link = bpf(
        BPF_LINK_CREATE,
        &LinkCreate {
            prog_fd: program.as_raw_fd().cast_unsigned(),
            target_ifindex: ifindex,
            attach_type: BPF_XDP,
            flags: mode,
        },
    );
    owned(link)
}

fn load(prog_type: u32, instructions: &[u64], prog_flags: u32) -> OwnedFd {
    let program = bpf(
        BPF_PROG_LOAD,
        &ProgLoad {
            prog_type,
            insn_cnt: instructions.len().try_into().expect("a small program"),
            insns: instructions.as_ptr() as u64,
            license: c"GPL".as_ptr() as u64,
            log: [0; 2],
            kern_version: 0,
            prog_flags,
            rest: [0; 9],
        },
    );
    owned(program)
}

/// The result of a command that makes a descriptor.
fn owned(fd: libc::c_long) -> OwnedFd {
    let fd = i32::try_from(fd).expect("a descriptor");
    // SAFETY: the command has returned a new descriptor, which nobody else knows.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn bpf<T>(command: libc::c_long, attributes: &T) -> libc::c_long {
    // Before 5.11 BPF memory is locked memory of the user, of which a watch takes most of what is allowed by default.
    rustix::process::setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })
        .expect("raise a limit");
    // SAFETY: `attributes` is a live prefix of `union bpf_attr` of the given size; the pointers in it lead to what
    // is alive during the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    assert!(result >= 0, "bpf({command}): {}", io::Error::last_os_error());
    result
}
