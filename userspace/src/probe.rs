//! Zerocopy traffic of one's own: sends that wait for their notification, and a sink for them.

pub mod compare;
mod destination;
mod error;
pub mod listen;
pub mod options;
pub mod send;
mod socket;

pub use destination::resolve;
pub use error::ProbeError;
