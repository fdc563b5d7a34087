//! Who a process is: command, executable, systemd unit, container, user.

mod cgroup;
mod groups;
mod root;
mod users;

pub(crate) use cgroup::is_pod_uid;
pub use groups::Groups;
pub use root::ProcRoot;
pub(crate) use root::{ProcessDir, for_each_name, link_number, number};
pub use users::user_name;

use std::io::Read;

use procfs::process::Process;

use crate::model::process::ProcessIdentity;

/// Reads the identity of a process (thread group); `None` if it is gone or hidden.
///
/// Everything but the name and the start time may be unreadable for other users' processes; such fields
/// are `None`. All is read through one directory handle, so a reused pid cannot mix two processes.
pub fn identify(proc: &ProcRoot, pid: u32) -> Option<ProcessIdentity> {
    let process = Process::new_with_root(proc.path().join(pid.to_string())).ok()?;
    let stat = process.stat().ok()?;
    let mut cgroups = Vec::new();
    if let Ok(mut file) = process.open_relative("cgroup") {
        // An error half-way leaves what was read; whole lines of it are still true.
        let _ = file.read_to_end(&mut cgroups);
    }
    let membership = cgroup::parse(&String::from_utf8_lossy(&cgroups));
    Some(ProcessIdentity {
        pid,
        comm: stat.comm,
        exe: process.exe().ok().map(|path| path.to_string_lossy().into_owned()),
        uid: process.uid().ok(),
        unit: membership.unit,
        container: membership.container,
        pod: membership.pod,
        start_time: stat.starttime,
    })
}

/// The identity of a process that has ended, from what the kernel remembers of it: its name, its user and the
/// id of its control group.
pub fn remembered(groups: &mut Groups, pid: u32, comm: String, uid: u32, cgroup: u64) -> ProcessIdentity {
    let membership = groups.membership(cgroup);
    ProcessIdentity {
        pid,
        comm,
        uid: Some(uid),
        unit: membership.unit,
        container: membership.container,
        pod: membership.pod,
        ..ProcessIdentity::default()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::{ProcRoot, identify};

    const STAT: &str = "812 (dh cl) S 1 812 812 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 9000 500 \
                        18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn a_process_of_a_fake_proc() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let pid = dir.path().join("812");
        fs::create_dir(&pid).expect("create the process");
        fs::write(pid.join("stat"), STAT).expect("write stat");
        fs::write(pid.join("cgroup"), "0::/system.slice/ifup@v0.service\n").expect("write cgroup");
        symlink("/usr/sbin/dhclient", pid.join("exe")).expect("link exe");

        let identity = identify(&ProcRoot::new(dir.path()), 812).expect("the process is there");
        assert_eq!(identity.comm, "dh cl");
        assert_eq!(identity.exe.as_deref(), Some("/usr/sbin/dhclient"));
        assert_eq!(identity.unit.as_deref(), Some("ifup@v0.service"));
        assert_eq!(identity.start_time, 4242);
    }

    #[test]
    fn missing_parts_are_unknown_and_missing_processes_none() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let proc = ProcRoot::new(dir.path());
        assert_eq!(identify(&proc, 812), None);
        fs::create_dir(dir.path().join("812")).expect("create the process");
        assert_eq!(identify(&proc, 812), None, "it vanished between the directory and the file");
        fs::write(dir.path().join("812/stat"), STAT).expect("write stat");
        let identity = identify(&proc, 812).expect("the process is there");
        assert_eq!((identity.exe, identity.unit, identity.container), (None, None, None));
    }

    #[test]
    fn this_process() {
        let identity = identify(&ProcRoot::system(), std::process::id()).expect("we are there");
        let exe = std::env::current_exe().expect("own path");
        assert_eq!(identity.exe.as_deref(), exe.to_str());
    }
}
