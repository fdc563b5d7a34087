//! Words of the domain: plain data, no input or output; serialised only where two zcdiags talk ([`fleet`]).

pub mod check;
pub mod comparison;
pub mod cost;
pub mod counts;
pub mod cure;
pub mod device;
pub mod doctor;
pub mod errno;
pub mod filter;
pub mod fleet;
pub mod handler;
pub mod inventory;
pub mod kernel;
pub mod manual;
pub mod migration;
pub mod mute;
pub mod netns;
pub mod path;
pub mod probe;
pub mod process;
pub mod program;
pub mod report;
pub mod sighting;
pub mod start;
pub mod tap;
pub mod verification;
