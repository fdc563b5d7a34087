//! Every packet socket of the machine, who holds it, and whether it makes zero-copy sends copy.
//!
//! Nothing here ever opens a packet socket: that would be a tap of our own.

mod budget;
pub mod cure;
mod diag;
mod fds;
pub mod inventory;
mod libraries;
mod mounts;
pub mod mute;
mod netns;
mod options;
mod packet;
pub mod programs;
mod ptype;
pub mod remains;
pub mod remedies;
pub mod verdict;
pub mod way;
