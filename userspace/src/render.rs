//! Reports as text or JSON, into any writer. Never asks the system anything.

mod advice;
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
mod losses;
pub mod metrics;
mod migration;
pub mod mute;
pub mod page;
mod phrases;
pub mod probe;
pub(crate) mod remedy;
pub mod schema;
mod sighting;
pub mod status;
pub mod taps;
pub mod verify;
pub mod watch;
pub mod words;
