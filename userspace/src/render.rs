//! Reports as text or JSON, into any writer. Never asks the system anything.

pub mod event;
pub(crate) mod lines;
pub mod metrics;
pub mod mute;
pub mod probe;
pub mod status;
pub mod taps;
pub mod watch;
pub mod words;
