//! Why a tap cannot be muted, and what to do instead.

use crate::{
    model::{
        mute::{MuteAction, Refusal},
        tap::{Binding, FanoutGroup, PacketProtocol, Tap},
    },
    sys::SysError,
    taps::options::OptionsError,
};

/// A socket in a fanout group.
pub(super) fn fanout(group: FanoutGroup, action: MuteAction) -> Refusal {
    let id = group.id;
    match action {
        MuteAction::Mute if group.flag == Some(true) => Refusal::new(
            format!(
                "it is in fanout group {id}, whose PACKET_FANOUT_FLAG_IGNORE_OUTGOING this kernel may not obey"
            ),
            "upgrade to Linux 6.2 or later, or stop the program",
        ),
        MuteAction::Mute => Refusal::new(
            format!("it is in fanout group {id}, and what the group ignores was fixed when it was made"),
            "have the program make its group with PACKET_FANOUT_FLAG_IGNORE_OUTGOING (Linux 6.2) and restart it, \
             or stop it",
        ),
        MuteAction::Unmute => Refusal::new(
            format!("it is in fanout group {id}, and what the group ignores was fixed when it was made"),
            "restart the program without PACKET_FANOUT_FLAG_IGNORE_OUTGOING",
        ),
    }
}

/// A socket that no outgoing packet reaches; `why` follows "it".
pub(super) fn harmless(tap: &Tap, why: &str) -> Refusal {
    let for_now = !tap.running && tap.protocol == PacketProtocol::ALL && tap.binding != Binding::Gone;
    let instead = if for_now {
        "nothing has to be done now; mute it when its device is up and `zcdiag taps` calls it offending"
    } else {
        "nothing has to be done: it makes no send copy on its way out"
    };
    Refusal::new(format!("it {why}"), instead)
}

/// A socket that no outgoing packet reaches, but some that come in.
pub(super) fn incoming(why: &str, devices: &str) -> Refusal {
    Refusal::new(
        format!("{why}; but packets of {devices} come in on its device and are copied for it"),
        "stop the program, or have it bind to another device: PACKET_IGNORE_OUTGOING does not touch what comes in",
    )
}

/// The option did not keep its value.
pub(super) fn not_kept(action: MuteAction) -> Refusal {
    let read = u8::from(!action.ignore());
    Refusal::new(
        format!("PACKET_IGNORE_OUTGOING still reads {read} after it was set: something else sets it too"),
        "look at it with `zcdiag taps --all`, or stop the program",
    )
}

/// A thing that has gone meanwhile.
pub(super) fn closed() -> Refusal {
    Refusal::new(
        "it was closed a moment ago",
        "nothing, or if its program has opened another: `zcdiag taps` shows it",
    )
}

/// No right to something that belongs to another process.
pub(super) fn not_permitted(what: &str) -> Refusal {
    let instead = if rustix::process::geteuid().is_root() {
        "run it on the host, outside containers, with CAP_SYS_PTRACE (with kernel.yama.ptrace_scope = 3 nobody may)"
    } else {
        "run it as root (sudo): it takes CAP_SYS_PTRACE"
    };
    Refusal::new(what, instead)
}

/// The socket could not be reached or changed.
pub(super) fn failed(error: &OptionsError, tap: &Tap) -> Refusal {
    match error {
        OptionsError::NoHolder if tap.holders.is_empty() => {
            not_permitted("no process in sight has it open, and it can only be reached through one that has")
        }
        OptionsError::NoHolder => closed(),
        OptionsError::Sys(error) => refused_call(error),
    }
}

fn refused_call(error: &SysError) -> Refusal {
    if error.is(libc::ESRCH) || error.is(libc::EBADF) {
        return closed();
    }
    if error.is(libc::ENOSYS) {
        return Refusal::new(
            format!("{error}: this kernel is older than 5.6, or a seccomp profile hides the call"),
            "run it outside containers, or have the program set PACKET_IGNORE_OUTGOING itself (Linux 4.20)",
        );
    }
    if error.is(libc::ENOPROTOOPT) {
        return Refusal::new(
            "this kernel is older than 4.20 and has no PACKET_IGNORE_OUTGOING",
            "upgrade the kernel, or stop the program",
        );
    }
    if error.is_refusal() {
        return not_permitted(&format!("the kernel does not permit it: {error}"));
    }
    Refusal::new(error.to_string(), "stop the program, or have it set PACKET_IGNORE_OUTGOING itself")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::refused_call;
    use crate::sys::SysError;

    #[test]
    fn errors_of_the_kernel_are_told_apart() {
        let cases = [
            ("pidfd_open", libc::ESRCH, "closed a moment ago", "zcdiag taps"),
            ("pidfd_getfd", libc::EBADF, "closed a moment ago", "zcdiag taps"),
            ("pidfd_getfd", libc::EPERM, "does not permit it: pidfd_getfd", "CAP_SYS_PTRACE"),
            ("pidfd_getfd", libc::ENOSYS, "older than 5.6", "itself"),
            ("getsockopt", libc::ENOPROTOOPT, "older than 4.20", "upgrade"),
            ("setsockopt", libc::EACCES, "does not permit it: setsockopt", "CAP_SYS_PTRACE"),
            ("pidfd_getfd", libc::EMFILE, "Too many open files", "stop the program"),
        ];
        for (call, errno, why, instead) in cases {
            let refusal = refused_call(&SysError::new(call, io::Error::from_raw_os_error(errno)));
            assert!(refusal.why.contains(why), "{call} {errno}: {refusal:?}");
            assert!(refusal.instead.contains(instead), "{call} {errno}: {refusal:?}");
        }
    }
}
