//! The packet sockets of the machine, each with the verdict on it.

use super::{cure::Cure, handler::JudgedHandler, path::DevicePath, tap::JudgedTap};

/// All that `zcdiag taps` has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapReport {
    /// Release of the running kernel; `None` if not readable.
    pub kernel: Option<String>,
    /// Number of the network namespace that the question came from; `None` if not readable.
    pub here: Option<u32>,
    /// Whether everything could be read.
    pub complete: bool,
    /// What could not, each with the cure.
    pub missing: Vec<String>,
    /// The taps, offending ones first.
    pub taps: Vec<JudgedTap>,
    /// Handlers of other origin that are given every packet.
    pub handlers: Vec<JudgedHandler>,
    /// The ways of what is sent through the device that the question was about; `None` if it was about all.
    pub ways: Option<Vec<DevicePath>>,
    /// What has to be changed for sends through that device to be zero-copy.
    pub cure: Option<Cure>,
}
