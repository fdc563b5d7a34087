//! Words of the domain: plain data, no serialisation, no input or output.

pub mod counts;
pub mod kernel;
pub mod mute;
pub mod netns;
pub mod probe;
pub mod process;
pub mod report;
pub mod start;
pub mod tap;
