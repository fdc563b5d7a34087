use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::*;

fn root(files: &[(&str, &[u8])]) -> TempDir {
    let root = tempfile::tempdir().expect("temporary directory");
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("create a directory");
        fs::write(path, content).expect("write a file");
    }
    root
}

const BUILD: &[u8] =
    b"CONFIG_DEBUG_INFO_BTF=y\n# CONFIG_FPROBE is not set\nCONFIG_BPF_LSM=y\nCONFIG_PACKET=m\n\
    CONFIG_PREEMPT_DYNAMIC=y\nCONFIG_BPF_PATH=\"/home/alice/build\"\nCONFIG_LOCALVERSION=\"-alice\"\n";

#[test]
fn what_decides_is_read_and_nothing_else() {
    let root = root(&[
        (
            "etc/os-release",
            b"NAME=\"Red Hat\"\nID=\"rhel\"\nVERSION=\"9.4 (Plow)\"\nHOME_URL=https://alice.example\n",
        ),
        ("etc/hostname", b"alices-laptop\n"),
        ("proc/sys/kernel/hostname", b"alices-laptop\n"),
        ("proc/sys/kernel/ftrace_enabled", b"1\n"),
        ("proc/sys/kernel/version", b"#1 SMP PREEMPT_DYNAMIC builder@alices-laptop\n"),
        ("sys/kernel/security/lockdown", b"none [integrity] confidentiality\n"),
        ("boot/config-6.1.0", BUILD),
    ]);
    let host = Host::read(root.path(), "6.1.0");
    assert_eq!((host.distribution.as_deref(), host.version.as_deref()), (Some("rhel"), Some("9.4 (Plow)")));
    let is =
        |name: &str| host.settings.iter().find(|(known, _)| *known == name).expect("a setting").1.as_deref();
    assert_eq!(is("kernel.ftrace_enabled"), Some("1"));
    assert_eq!(is("lockdown"), Some("none [integrity] confidentiality"));
    assert_eq!(is("preemption"), Some("PREEMPT_DYNAMIC"));
    assert_eq!(is("kernel.perf_event_paranoid"), None);
    let options = host.options.as_ref().expect("a configuration").iter();
    let options: Vec<_> = options.map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(options, ["DEBUG_INFO_BTF=y", "FPROBE=n", "BPF_LSM=y", "PACKET=m", "PREEMPT_DYNAMIC=y"]);
    assert!(!format!("{host:?}").contains("alice"), "{host:?}");
}

#[test]
fn the_configuration_in_the_kernel_comes_before_the_one_on_disk() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"CONFIG_KPROBES=y\n").expect("write to memory");
    let packed = packed.finish().expect("write to memory");
    let root = root(&[("proc/config.gz", &packed), ("boot/config-6.1.0", BUILD)]);
    let host = Host::read(root.path(), "6.1.0");
    assert_eq!(host.options, Some(vec![("KPROBES".to_owned(), "y".to_owned())]));
}

#[test]
fn what_is_not_there_is_not_known() {
    let root = root(&[("usr/lib/os-release", b"ID=sles\nVERSION_ID='15.6'\n")]);
    let host = Host::read(root.path(), "6.1.0");
    assert_eq!((host.distribution.as_deref(), host.version.as_deref()), (Some("sles"), Some("15.6")));
    assert_eq!(host.options, None);
    assert!(host.settings.iter().all(|(_, value)| value.is_none()), "{host:?}");
}
