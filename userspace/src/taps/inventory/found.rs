//! What an inventory holds.

use std::collections::BTreeSet;

use crate::{
    links::path::Topology,
    model::{device::DeviceKey, handler::Handler, inventory::TapReport, netns::Namespace, tap::Tap},
    taps::{programs::Programs, verdict, way},
};

/// Everything that could be found out about the packet sockets of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Release of the running kernel; `None` if not readable.
    pub kernel: Option<String>,
    /// Number of the network namespace that `collect` was called in; `None` if not readable.
    pub here: Option<u32>,
    /// Every packet socket, in order of namespace and inode.
    pub taps: Vec<Tap>,
    /// Handlers of other origin that are given every packet.
    pub handlers: Vec<Handler>,
    /// Every network namespace that could be found, with its devices.
    pub namespaces: Vec<Namespace>,
    /// The programs that are known; those that are built in, unless others are set.
    pub programs: Programs,
    /// Namespaces whose packet sockets could not all be listed.
    pub unlisted: BTreeSet<u32>,
    /// Whether there may be namespaces, or packet sockets in some, that were not found at all.
    pub hidden: bool,
    /// Whether nothing is known to be missing.
    pub complete: bool,
    /// What is missing, each with the cure.
    pub missing: Vec<String>,
}

impl Inventory {
    /// The devices of this name.
    pub fn devices_named(&self, name: &str) -> impl Iterator<Item = DeviceKey> {
        self.namespaces.iter().filter_map(move |namespace| {
            let device = namespace.devices.as_deref()?.iter().find(|device| device.name == name)?;
            Some(DeviceKey { netns: namespace.netns.inum, ifindex: device.ifindex })
        })
    }

    /// Judges the taps.
    pub fn judge(self, scope: crate::model::kernel::TapListScope) -> TapReport {
        let mut taps = verdict::judge_all(self.taps, scope, &self.programs);
        way::note_harms(&mut taps, &Topology::new(&self.namespaces), scope);
        TapReport {
            kernel: self.kernel,
            here: self.here,
            complete: self.complete,
            missing: self.missing,
            taps,
            handlers: self.handlers.into_iter().map(verdict::judge_handler).collect(),
            ways: None,
            cure: None,
        }
    }
}
