//! What becomes of zerocopy sends before any is sent: what can be known of the way, and what follows from it.

pub mod devices;
