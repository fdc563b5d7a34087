//! The report of `zcdiag mute` and `zcdiag unmute`.

pub(crate) mod json;
mod text;

pub use json::write_json;
pub use text::{write_refusals, write_text};
