//! Says why a MSG_ZEROCOPY send was copied, and whose fault it is.
//!
//! One direction: kernel event ([`attach`]) -> counts -> [`diagnose`] -> [`model::report::Report`] ->
//! [`render`]. See ARCHITECTURE.md.

pub mod app;
pub mod attach;
pub mod check;
pub mod cli;
pub mod diagnose;
pub mod engine;
pub mod history;
pub mod kernel;
pub mod ledger;
pub mod links;
pub mod model;
#[cfg(test)]
mod mutation;
pub mod probe;
pub mod process;
pub mod qmp;
pub mod recording;
pub mod render;
mod sys;
pub mod taps;
