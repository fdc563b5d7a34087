//! Words of the domain: plain data, no input or output; serialised only where two zcdiags talk ([`fleet`]).

pub mod counts;
pub mod fleet;
pub mod kernel;
pub mod mute;
pub mod netns;
pub mod probe;
pub mod process;
pub mod report;
pub mod tap;
