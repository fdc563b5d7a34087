//! Parts of the kernel, other than packet sockets, that are given every packet.

use super::netns::Netns;
use super::tap::{Binding, TapVerdict};

/// A handler for all protocols (`dev_add_pack()` with `ETH_P_ALL`), as a module may register one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// The namespace that lists it; `None` if several do.
    pub netns: Option<Netns>,
    /// The device it is bound to.
    pub binding: Binding,
    /// The function that is given packets.
    pub function: String,
    /// The module it belongs to; `None` if it is built into the kernel.
    pub module: Option<String>,
}

/// A handler and the verdict on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedHandler {
    /// The handler.
    pub handler: Handler,
    /// Never [`TapVerdict::Offending`]: whether it ignores outgoing packets cannot be read.
    pub verdict: TapVerdict,
    /// Why, in one clause that follows "it".
    pub reason: String,
    /// What to do, best first.
    pub remedies: Vec<String>,
}
