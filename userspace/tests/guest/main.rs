//! What only a running kernel with BPF can tell; `cargo xtask test` runs this as root in guests.
//!
//! Every test compares what `zcdiag watch` counts in the kernel with what the senders read from their own
//! error queues.

mod bad_days;
mod blind;
mod connections;
mod crowds;
mod cures;
mod daemon;
mod daemons;
mod devices;
mod documented;
mod ends;
mod filters;
mod forecasts;
mod gathered;
mod harmless;
mod hides;
mod limits;
mod live;
mod migration;
mod modules;
mod notifications;
mod own;
mod paths;
mod places;
mod probe;
mod probing;
mod replay;
mod resting;
mod sentences;
mod sightings;
#[path = "../taps/socket.rs"]
#[allow(dead_code, reason = "shared with the tests of taps, which use all of it")]
mod socket;
mod systemd;
mod tapped;
#[path = "../typed/mod.rs"]
mod typed;
mod uring;
mod watch;
mod world;
#[allow(dead_code, reason = "shared with the scenarios")]
mod xdp;
