//! The network devices of the machine, how they are stacked, and which of them a packet meets on its way out.

pub(crate) mod list;
pub mod path;
