//! Every packet socket of the machine, who holds it, and whether it makes zero-copy sends copy.
//!
//! Nothing here ever opens a packet socket: that would be a tap of our own.

mod diag;
mod fds;
pub mod inventory;
pub mod mute;
mod netns;
mod options;
mod packet;
pub mod remedies;
pub mod verdict;
