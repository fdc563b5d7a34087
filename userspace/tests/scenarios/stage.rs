//! The world of a scenario while it runs.

use std::{any::Any, os::fd::OwnedFd};

use crate::{
    socket,
    world::{Daemon, Elsewhere, ifindex, ip},
};

/// Everything that must last until the sends are done. What was put last goes first.
#[derive(Default)]
pub(crate) struct Stage {
    kept: Vec<Box<dyn Any>>,
    elsewhere: Option<Elsewhere>,
}

impl Stage {
    /// Keeps something until the end.
    pub(crate) fn keep(&mut self, thing: impl Any) {
        self.kept.push(Box::new(thing));
    }

    /// Makes another namespace, behind `v0`: 10.7.0.1 and fd07::1 here, 10.7.0.2 and fd07::2 on `v1` there.
    pub(crate) fn behind_veth(&mut self) -> &Elsewhere {
        let elsewhere = Elsewhere::behind_veth();
        ip("addr add fd07::1/64 dev v0 nodad");
        elsewhere.enter(|| ip("addr add fd07::2/64 dev v1 nodad"));
        self.elsewhere.insert(elsewhere)
    }

    /// Makes another namespace, behind a network card of this driver: 10.7.0.1 and fd07::1 on `nic0` here, 10.7.0.2 and fd07::2
    /// on `nic1` there, where a program takes in what comes by TCP to port 7000.
    pub(crate) fn behind_nic(&mut self, driver: &str) {
        let elsewhere = self.elsewhere.insert(Elsewhere::behind_nic(driver));
        let sink = elsewhere.enter(|| Daemon::sink("7000"));
        self.keep(sink);
    }

    /// Makes another namespace.
    pub(crate) fn elsewhere(&mut self) -> &Elsewhere {
        self.elsewhere.insert(Elsewhere::new())
    }

    /// Runs something in the other namespace.
    pub(crate) fn there<T>(&self, run: impl FnOnce() -> T) -> T {
        self.elsewhere.as_ref().expect("the world has another namespace").enter(run)
    }

    /// Opens a packet socket on a device, or on all.
    pub(crate) fn tap(&mut self, protocol: u16, device: Option<&str>) {
        self.keep(open_tap(protocol, device));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        while self.kept.pop().is_some() {}
    }
}

/// A packet socket on a device, or on all.
pub(crate) fn open_tap(protocol: u16, device: Option<&str>) -> OwnedFd {
    let tap = socket::open(protocol);
    if let Some(device) = device {
        socket::bind(&tap, protocol, ifindex(device));
    }
    tap
}

/// A neighbour that need not answer, as those behind `d0`.
pub(crate) fn neighbour(address: &str, device: &str) {
    ip(&format!("neigh add {address} lladdr 02:00:00:00:00:02 dev {device}"));
}

/// Writes to `/proc/sys`, in the namespace of the calling thread.
pub(crate) fn sysctl(name: &str, value: &str) {
    std::fs::write(format!("/proc/sys/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
}
