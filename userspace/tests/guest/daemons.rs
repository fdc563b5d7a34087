//! Programs that open taps in real life.

use rustix::net::RecvFlags;

use crate::{
    probe::probe,
    socket::{self, ETH_P_ALL, ETH_P_LLDP},
    watch::Watch,
    world::{BEHIND_D0, Daemon, Says, ifindex, in_world, netns},
};

#[test]
fn tcpdump_is_named_although_it_filters() {
    in_world(|| {
        let arguments = ["-i", "d0", "-Z", "root", "-w", "/dev/null", "udp port 53"];
        let tcpdump = Daemon::start("tcpdump", &arguments, Says::Err, "listening on");
        let watch = Watch::start(&[]);
        let sent = probe(&format!("{BEHIND_D0} --udp")).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        let tap = report.blames_tap(sent, ("d0", ifindex("d0"), netns()), tcpdump.pid(), "tcpdump");
        assert_eq!((&tap["ring"], &tap["filter"]), (&true.into(), &true.into()), "{tap:#}");
    });
}

#[test]
fn dhclient_is_named() {
    in_world(|| {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (leases, pid) = (dir.path().join("leases"), dir.path().join("pid"));
        let (leases, pid) = (leases.to_str().expect("UTF-8"), pid.to_str().expect("UTF-8"));
        let arguments = ["-d", "-v", "-sf", "/bin/true", "-cf", "/dev/null", "-lf", leases, "-pf", pid, "d0"];
        let dhclient = Daemon::start("dhclient", &arguments, Says::Err, "Sending on   LPF/d0");
        let watch = Watch::start(&[]);
        let sent = probe(&format!("{BEHIND_D0} --udp")).all_copied(20);
        let report = watch.stop();
        report.agrees_with(&[sent]);
        report.blames_tap(sent, ("d0", ifindex("d0"), netns()), dhclient.pid(), "dhclient");
    });
}

#[test]
fn lldpd_is_judged_by_what_its_socket_does() {
    in_world(|| {
        let observer = socket::open(ETH_P_ALL);
        socket::bind(&observer, ETH_P_ALL, ifindex("d0"));
        let dir = tempfile::tempdir().expect("temporary directory");
        let control = dir.path().join("socket");
        let arguments = ["-ddd", "-I", "d0", "-u", control.to_str().expect("UTF-8")];
        let _lldpd = Daemon::start("lldpd", &arguments, Says::Err, "protocol LLDP enabled");
        // Its first frame says that its socket is there.
        let mut frame = [0; 2048];
        while frame[12..14] != ETH_P_LLDP.to_be_bytes() {
            rustix::net::recv(&observer, &mut frame, RecvFlags::empty()).expect("a frame that leaves d0");
        }
        drop(observer);
        let watch = Watch::start(&[]);
        let sent = probe(&format!("{BEHIND_D0} --udp"));
        let report = watch.stop();
        report.agrees_with(&[sent]);
        if sent.copied == 0 {
            // From 1.0.15 it asks not to see what leaves.
            sent.all_zerocopied(20);
            assert_eq!(report.list("taps").len(), 0, "{report:#?}");
        } else {
            report.blames(sent.all_copied(20), "tap_tx", ("d0", ifindex("d0"), netns()));
            let holders = report.list("taps").iter().filter_map(|tap| tap["holders"].as_array());
            assert!(holders.flatten().all(|holder| holder["comm"] == "lldpd"), "{report:#?}");
            assert_ne!(report.list("taps").len(), 0, "{report:#?}");
        }
    });
}
