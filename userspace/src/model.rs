//! Words of the domain: plain data, no serialisation, no input or output.

pub mod check;
pub mod counts;
pub mod doctor;
pub mod kernel;
pub mod mute;
pub mod netns;
pub mod path;
pub mod probe;
pub mod process;
pub mod report;
pub mod tap;
