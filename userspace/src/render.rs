//! Reports as text or JSON, into any writer. Never asks the system anything.

pub mod causes;
pub mod check;
pub mod doctor;
pub(crate) mod lines;
pub mod mute;
pub mod probe;
pub mod taps;
pub mod verify;
pub mod watch;
pub mod words;
