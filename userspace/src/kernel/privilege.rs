//! What this process may do, and what forbids the rest.

use std::{fs, path::Path};

/// `CAP_SYS_ADMIN`, `CAP_PERFMON`, `CAP_BPF` as bits of a capability set.
const SYS_ADMIN: u64 = 1 << 21;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;

/// Rights that tracing with BPF needs, as found below a root directory (`/`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Effective capabilities, as in `/proc/self/status`.
    pub effective: u64,
    /// Mode of the kernel lockdown, `None` where there is none to read.
    pub lockdown: Option<String>,
}

impl Privileges {
    /// Reads them.
    pub fn read(root: &Path) -> Self {
        let status = fs::read_to_string(root.join("proc/self/status")).unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let lockdown = fs::read_to_string(root.join("sys/kernel/security/lockdown")).ok();
        Self {
            effective: effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0),
            lockdown: lockdown
                .as_deref()
                .and_then(selected)
                .filter(|mode| *mode != "none")
                .map(str::to_owned),
        }
    }

    /// Names of the capabilities for BPF tracing that are not there (5.8 split them off `CAP_SYS_ADMIN`).
    pub fn lacking(&self) -> Vec<&'static str> {
        let lacks = |bit: u64| self.effective & (SYS_ADMIN | bit) == 0;
        [("CAP_BPF", BPF), ("CAP_PERFMON", PERFMON)]
            .into_iter()
            .filter_map(|(name, bit)| lacks(bit).then_some(name))
            .collect()
    }
}

/// A capability, what zcdiag needs it for, and what is lost without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its name.
    pub name: &'static str,
    /// Its number, `linux/capability.h`.
    pub number: u32,
    /// What it is for.
    pub purpose: &'static str,
    /// What happens without it.
    pub without: &'static str,
    /// What a daemon that has attached loses without it; `None` if it has no use for it then.
    pub to_daemon: Option<&'static str>,
}

/// All that zcdiag can make use of.
pub const NEEDS: &[Need] = &[
    Need {
        name: "CAP_BPF",
        number: 39,
        purpose: "loading the programs that watch",
        without: "`watch` does not start",
        to_daemon: None,
    },
    Need {
        name: "CAP_PERFMON",
        number: 38,
        purpose: "attaching them, and reading kernel memory",
        without: "`watch` does not start",
        to_daemon: None,
    },
    Need {
        name: "CAP_SYSLOG",
        number: 34,
        purpose: "names of kernel addresses",
        without: "causes that a stack tells are unknown; tap_tx is still told",
        to_daemon: Some("causes that a stack tells are unknown"),
    },
    Need {
        name: "CAP_SYS_PTRACE",
        number: 19,
        purpose: "descriptors of other users: who holds a tap, and its flag",
        without: "taps without holder, with the verdict unknown",
        to_daemon: Some("packet sockets have no holder, and their verdict is unknown"),
    },
    Need {
        name: "CAP_DAC_READ_SEARCH",
        number: 2,
        purpose: "listing the descriptors of other users",
        without: "taps without holder, with the verdict unknown",
        to_daemon: Some("packet sockets of other users have no holder, and their verdict is unknown"),
    },
    Need {
        name: "CAP_SYS_ADMIN",
        number: 21,
        purpose: "entering other network namespaces",
        without: "taps, routes and offloads there are not seen",
        to_daemon: Some(
            "other network namespaces are not entered: what is known of their packet sockets is what /proc says",
        ),
    },
    Need {
        name: "CAP_NET_ADMIN",
        number: 12,
        purpose: "reading IPsec policies",
        without: "`check` cannot tell whether IPsec would copy",
        to_daemon: None,
    },
];

impl Need {
    /// Whether it is among effective capabilities.
    pub fn is_met(&self, privileges: &Privileges) -> bool {
        privileges.effective >> self.number & 1 == 1
    }
}

/// The word in brackets.
fn selected(modes: &str) -> Option<&str> {
    modes.split_once('[')?.1.split_once(']').map(|(mode, _)| mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: &str, lockdown: Option<&str>) -> Privileges {
        let root = tempfile::tempdir().expect("temporary directory");
        fs::create_dir_all(root.path().join("proc/self")).expect("create proc");
        fs::write(root.path().join("proc/self/status"), status).expect("write status");
        if let Some(lockdown) = lockdown {
            fs::create_dir_all(root.path().join("sys/kernel/security")).expect("create securityfs");
            fs::write(root.path().join("sys/kernel/security/lockdown"), lockdown).expect("write lockdown");
        }
        Privileges::read(root.path())
    }

    #[test]
    fn root_may_trace_and_a_plain_user_may_not() {
        let lacking = |effective: &str| read(&format!("CapEff:\t{effective}\n"), None).lacking();
        assert!(lacking("000001ffffffffff").is_empty());
        assert!(lacking("000000c000000000").is_empty(), "CAP_BPF and CAP_PERFMON");
        assert_eq!(lacking("0000008000000000"), ["CAP_PERFMON"], "CAP_BPF alone");
        assert_eq!(lacking("0000000000000000"), ["CAP_BPF", "CAP_PERFMON"]);
        assert_eq!(read("", None).lacking(), ["CAP_BPF", "CAP_PERFMON"]);
    }

    #[test]
    fn every_need_knows_its_bit() {
        let privileges = |bit: u32| Privileges { effective: 1 << bit, lockdown: None };
        for (bit, expected) in [(21, Some("CAP_SYS_ADMIN")), (12, Some("CAP_NET_ADMIN")), (0, None)] {
            let met: Vec<&str> =
                NEEDS.iter().filter(|need| need.is_met(&privileges(bit))).map(|need| need.name).collect();
            assert_eq!(met, Vec::from_iter(expected));
        }
    }

    #[test]
    fn lockdown_is_the_word_in_brackets() {
        let lockdown = |text| read("", Some(text)).lockdown;
        assert_eq!(lockdown("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(lockdown("[none] integrity confidentiality\n"), None);
        assert_eq!(read("", None).lockdown, None);
    }
}
