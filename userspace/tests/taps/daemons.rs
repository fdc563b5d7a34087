//! Programs that open taps in real life, where they are installed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    net::RecvFlags,
    process::{Pid, Signal, kill_process},
};
use zcdiag::model::{
    remedy::{Action, Remedy, When},
    tap::{Binding, JudgedTap, TapVerdict},
};

use crate::{
    sandbox::{ifindex, in_sandbox, netns, report},
    socket::{self, ETH_P_LLDP},
};

/// A program that is stopped at the end.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts a program in the namespace of the calling thread and waits until it writes `ready`.
    fn start(command: &mut Command, ready: &str) -> Option<Self> {
        let program = command.get_program().to_owned();
        let Ok(mut child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
        else {
            eprintln!("skipped: {} is not installed", program.display());
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut said = String::new();
        let is_ready = lines.by_ref().map_while(Result::ok).any(|line| {
            said += &line;
            said += "\n";
            line.contains(ready)
        });
        let daemon = Self(child);
        assert!(is_ready, "{} never said {ready:?}:\n{said}", program.display());
        // Read on, or the program would be stopped by a closed or full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(daemon)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

/// A capture of DNS on v0.
pub(crate) fn tcpdump() -> Option<Daemon> {
    let mut tcpdump = Command::new("tcpdump");
    tcpdump.args(["-i", "v0", "-Z", "root", "-w", "/dev/null", "udp port 53"]);
    Daemon::start(&mut tcpdump, "listening on")
}

/// A DHCP client on v0 that keeps its files in `dir`.
pub(crate) fn dhclient(dir: &Path) -> Option<Daemon> {
    let mut dhclient = Command::new("dhclient");
    dhclient.args(["-d", "-v", "-sf", "/bin/true", "-cf", "/dev/null", "-lf"]);
    dhclient.arg(dir.join("leases")).arg("-pf").arg(dir.join("pid")).arg("v0");
    Daemon::start(&mut dhclient, "Sending on   LPF/v0")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Politely: lldpd has a child to take along. It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// The ETH_P_ALL taps on a device of this namespace.
pub(crate) fn taps_on(device: &str) -> Vec<JudgedTap> {
    let here = netns();
    let mut taps = report().taps;
    taps.retain(|judged| {
        let name = match &judged.tap.binding {
            Binding::Device { name, .. } => name.as_deref(),
            Binding::Any | Binding::Gone => None,
        };
        judged.tap.netns.inum == here && name == Some(device)
    });
    taps
}

/// Whether a remedy of the knowledge base begins like this.
fn is_for_good(remedy: &Remedy, begins: &str) -> bool {
    remedy.when == Some(When::ForGood) && matches!(&remedy.what, Action::Do(text) if text.starts_with(begins))
}

#[test]
fn tcpdump_offends_although_it_filters() {
    in_sandbox(|_| {
        let Some(daemon) = tcpdump() else { return };
        let taps = taps_on("v0");
        let [tap] = &taps[..] else { panic!("one tap: {taps:#?}") };
        assert_eq!(tap.judgement.verdict, TapVerdict::Offending);
        assert_eq!(tap.tap.filter, Some(true));
        assert_eq!(tap.tap.ring, Some(true), "libpcap captures through a ring");
        assert_eq!(tap.tap.promiscuous, Some(true), "tcpdump asks for it, unless told not to");
        let up = std::fs::read_to_string("/proc/uptime").expect("read the uptime");
        let up: f64 = up.split(' ').next().and_then(|up| up.parse().ok()).expect("seconds");
        let age = tap.tap.holders[0].age.expect("procfs shows when it was started");
        assert!(age.as_secs_f64() < up, "{age:?} of {up} s");
        assert_eq!(tap.tap.holders[0].process.pid, daemon.pid());
        assert_eq!(tap.tap.holders[0].process.comm, "tcpdump");
        let [at_once, for_good, ..] = &tap.judgement.remedies[..] else { panic!("two cures: {tap:#?}") };
        assert_eq!(at_once.what, Action::Mute(tap.tap.inode));
        assert!(is_for_good(for_good, "stop the capture"), "{for_good:?}");
    });
}

#[test]
fn dhclient_offends_and_is_known_by_name() {
    in_sandbox(|_| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let Some(daemon) = dhclient(dir.path()) else { return };
        let taps = taps_on("v0");
        let [tap] = &taps[..] else { panic!("one tap: {taps:#?}") };
        assert_eq!(tap.judgement.verdict, TapVerdict::Offending);
        assert_eq!(tap.judgement.reason, "sees every packet that leaves v0");
        assert_eq!(tap.tap.holders[0].process.pid, daemon.pid());
        let [at_once, for_good] = &tap.judgement.remedies[..] else { panic!("two cures: {tap:#?}") };
        assert_eq!(at_once.what, Action::Mute(tap.tap.inode));
        assert!(is_for_good(for_good, "replace dhclient"), "{for_good:?}");
    });
}

#[test]
fn lldpd_is_judged_by_its_flag_not_by_its_name() {
    in_sandbox(|_| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let peer = socket::open(ETH_P_LLDP);
        socket::bind(&peer, ETH_P_LLDP, ifindex("v1"));
        let mut lldpd = Command::new("lldpd");
        lldpd.args(["-ddd", "-I", "v0", "-u"]).arg(dir.path().join("socket"));
        let Some(_daemon) = Daemon::start(&mut lldpd, "protocol LLDP enabled") else { return };
        // Its first frame says that its socket is there.
        rustix::net::recv(&peer, &mut [0; 2048], RecvFlags::empty()).expect("a frame of lldpd");

        let taps = taps_on("v0");
        assert!(!taps.is_empty());
        for tap in taps {
            let expected = match tap.tap.ignore_outgoing {
                Some(true) => TapVerdict::Harmless,
                Some(false) => TapVerdict::Offending,
                None => TapVerdict::Unknown,
            };
            assert_eq!(tap.judgement.verdict, expected, "{tap:#?}");
            assert!(tap.tap.holders.iter().all(|holder| holder.process.comm == "lldpd"), "{tap:#?}");
        }
    });
}
