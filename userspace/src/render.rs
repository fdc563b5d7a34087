//! Reports as text or JSON, into any writer. Never asks the system anything.

pub mod causes;
pub mod check;
pub mod comparison;
pub mod doctor;
pub mod event;
mod filter;
pub mod folded;
pub(crate) mod json;
pub(crate) mod lines;
pub mod live;
mod look;
pub mod metrics;
mod migration;
pub mod mute;
pub mod page;
mod phrases;
pub mod probe;
pub mod schema;
mod sighting;
pub mod status;
pub mod taps;
pub mod verify;
pub mod watch;
pub mod words;
