//! What stands in the way of a watch, and what it says then.
#![expect(unsafe_code, reason = "a filter for system calls is installed between fork and exec")]

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use crate::world::{ZCDIAG, in_guest};

/// Runs a command that must fail with code 1; gives what it says.
fn refused(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("run zcdiag");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("cure:"), "{said}");
    said
}

#[test]
fn without_the_capabilities_the_cure_is_root() {
    in_guest(|| {
        let drop_some = ["--bounding-set", "-bpf,-perfmon,-sys_admin"];
        let drop_all = ["--reuid", "65534", "--clear-groups", "--bounding-set", "-all"];
        for arguments in [&drop_some[..], &drop_all[..]] {
            let said = refused(Command::new("setpriv").args(arguments).args([ZCDIAG, "watch"]));
            assert!(said.contains("CAP_BPF") && said.contains("as root"), "{said}");
        }
    });
}

#[test]
fn without_type_information_the_cure_is_a_file_of_it() {
    in_guest(|| {
        let said = refused(Command::new(ZCDIAG).args(["watch", "--btf", "/nonexistent"]));
        assert!(said.contains("/nonexistent") && said.contains("--btf FILE"), "{said}");
        let said = refused(Command::new(ZCDIAG).args(["watch", "--btf", "/dev/null"]));
        assert!(said.contains("/dev/null"), "{said}");
    });
}

#[test]
fn a_policy_against_bpf_is_told_from_a_lack_of_capabilities() {
    in_guest(|| {
        let mut command = Command::new(ZCDIAG);
        command.arg("watch");
        // SAFETY: the closure makes system calls only, and allocates nothing.
        unsafe { command.pre_exec(forbid_bpf) };
        let said = refused(&mut command);
        assert!(said.contains("a policy forbids BPF"), "{said}");
    });
}

/// Lets bpf(2) fail with EPERM from now on, as container runtimes do.
fn forbid_bpf() -> io::Result<()> {
    const LOAD_NUMBER: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS, at offset 0 of struct seccomp_data
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = u32::try_from(libc::SYS_bpf).unwrap_or(u32::MAX);
    let errno = libc::EPERM.cast_unsigned();
    let mut filter = [
        step(LOAD_NUMBER, 0, 0, 0),
        step(JUMP_IF_EQUAL, 0, 1, number),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: `program` and the filter it points to are alive; the kernel copies them.
    let status =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
