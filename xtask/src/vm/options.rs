//! What a guest is made of.

use std::time::Duration;

use super::kernels::Kernel;

/// A guest to run a command in.
#[derive(Debug, Clone)]
pub(crate) struct VmOptions {
    pub(crate) kernel: Kernel,
    pub(crate) cpus: u32,
    pub(crate) memory: u32,
    pub(crate) icount: bool,
    pub(crate) timeout: Duration,
    /// Whether the command gets a terminal; its errors then come with its output.
    pub(crate) tty: bool,
    /// The program that becomes PID 1, if it is not the guest's own.
    pub(crate) init: Option<String>,
    /// Whether it has network cards ([`CARDS`](super::qemu::CARDS)).
    pub(crate) cards: bool,
    /// Variables for the command, besides those carried over from the host.
    pub(crate) env: Vec<(String, String)>,
}

impl VmOptions {
    /// A guest of one processor with `kernel`.
    pub(crate) fn new(kernel: Kernel) -> Self {
        let timeout = Duration::from_mins(10);
        Self {
            kernel,
            cpus: 1,
            memory: 1024,
            icount: false,
            timeout,
            tty: false,
            init: None,
            cards: false,
            env: Vec::new(),
        }
    }
}
